// One cell for each stage: the lower part of it belongs to the second style. The value is a text of shares.
const words = given.texts[window.atelier.language];
const part = (name) => element.querySelector(`[data-part="${name}"]`);
const PRESETS = { keep_structure: (place) => (place < 0.5 ? 0 : 1), keep_texture: (place) => (place < 0.5 ? 1 : 0), half: () => 0.5 };
let shares = [];

for (const name of ["label", "help", "first", "second", "structure", "texture"]) part(name).textContent = words[name];
part("cells").setAttribute("aria-label", words.label);
for (const [name, sign] of [["fewer", "−"], ["more", "+"]]) {
  part(name).textContent = sign;
  part(name).title = words[name];
  part(name).setAttribute("aria-label", words[name]);
}

function read() {
  shares = String(props.value ?? "").split(/[\s,]+/).filter(Boolean).map(Number);
  if (!shares.length || shares.some((share) => !(share >= 0 && share <= 1))) shares = [0, 0, 0, 1, 1, 1];
  show();
}

function show() {
  if (part("cells").children.length !== shares.length) part("cells").replaceChildren(...shares.map((_, i) => cell(i)));
  [...part("cells").children].forEach((node, i) => {
    node.style.setProperty("--share", shares[i]);
    node.firstChild.value = shares[i];
    node.lastChild.textContent = shares[i] > 0 && shares[i] < 1 ? Math.round(100 * shares[i]) : "";
  });
  part("fewer").disabled = shares.length <= 1;
  part("more").disabled = shares.length >= given.most;
}

// A slider on end; a plain click turns the cell over.
function cell(i) {
  const node = Object.assign(document.createElement("div"), { className: "stage-cell" });
  const slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: 1, step: 0.05 });
  slider.setAttribute("aria-label", `${words.label} ${i + 1}`);
  let before = null;
  const at = (event) => {
    const box = node.getBoundingClientRect();
    return Math.min(1, Math.max(0, Math.round(20 * ((box.bottom - event.clientY) / box.height)) / 20));
  };
  slider.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    slider.focus();
    slider.setPointerCapture(event.pointerId);
    before = { share: shares[i], y: event.clientY, moved: false };
  });
  slider.addEventListener("pointermove", (event) => {
    if (!before || (!before.moved && Math.abs(event.clientY - before.y) < 4)) return;
    before.moved = true;
    shares[i] = at(event);
    show();
  });
  slider.addEventListener("pointerup", () => {
    if (!before) return;
    if (!before.moved) shares[i] = before.share < 0.5 ? 1 : 0;
    before = null;
    give();
  });
  slider.addEventListener("pointercancel", () => (before = null));
  slider.addEventListener("input", () => {
    shares[i] = Number(slider.value);
    give();
  });
  node.append(slider, document.createElement("span"));
  return node;
}

function give() {
  props.value = shares.map((share) => String(Number(share.toFixed(2)))).join(" ");
  show();
  trigger("input");
}

for (const [name, share_at] of Object.entries(PRESETS)) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: words[name] });
  button.onclick = () => {
    shares = shares.map((_, i) => share_at((i + 0.5) / shares.length));
    give();
  };
  part("presets").append(button);
}
part("fewer").onclick = () => (shares.pop(), give());
part("more").onclick = () => (shares.push(shares.at(-1)), give());
watch("value", read);
read();
