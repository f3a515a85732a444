// Marks a part of a picture: one paints over it, the rest darkens. The value is a picture of the mark, white on black.
const words = given.texts[window.atelier.language];
const part = (name) => element.querySelector(`[data-part="${name}"]`);
const LONG_SIDE = 160; // px of the mark
const BRUSH = 0.14; // of its longer side
const VEIL = "rgb(23 22 20 / .72)";

part("help").textContent = words.help;
part("whole").textContent = words.whole;
part("picture").alt = words.label;

const mark = document.createElement("canvas"); // white where marked, transparent elsewhere
const pen = mark.getContext("2d");
const veil = part("veil").getContext("2d");
let last = null; // where the pen is, while it is down
let own = null; // the value that this script made

function show_veil() {
  const { width, height } = mark;
  veil.globalCompositeOperation = "source-over";
  veil.clearRect(0, 0, width, height);
  part("whole").disabled = !props.value && !last;
  if (part("whole").disabled) return;
  veil.fillStyle = VEIL;
  veil.fillRect(0, 0, width, height);
  veil.globalCompositeOperation = "destination-out";
  veil.drawImage(mark, 0, 0);
}

function resize() {
  const { naturalWidth: width, naturalHeight: height } = part("picture");
  if (!width) return;
  part("frame").style.setProperty("--ratio", width / height);
  const scale = LONG_SIDE / Math.max(width, height);
  for (const canvas of [mark, part("veil")]) {
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
  }
  read();
}

// The mark of a value that came from the server.
async function read() {
  pen.clearRect(0, 0, mark.width, mark.height);
  if (props.value) {
    const picture = new Image();
    picture.src = props.value;
    await picture.decode();
    pen.globalCompositeOperation = "source-over";
    pen.drawImage(picture, 0, 0, mark.width, mark.height);
    const pixels = pen.getImageData(0, 0, mark.width, mark.height);
    for (let i = 0; i < pixels.data.length; i += 4) pixels.data[i + 3] = pixels.data[i];
    pen.putImageData(pixels, 0, 0);
  }
  show_veil();
}

function stroke(event) {
  const box = part("veil").getBoundingClientRect();
  const point = { x: ((event.clientX - box.x) / box.width) * mark.width, y: ((event.clientY - box.y) / box.height) * mark.height };
  last ??= point;
  Object.assign(pen, { strokeStyle: "white", lineCap: "round", lineWidth: BRUSH * LONG_SIDE });
  pen.beginPath();
  pen.moveTo(last.x, last.y);
  pen.lineTo(point.x, point.y);
  pen.stroke();
  last = point;
  show_veil();
}

function give(value) {
  own = value;
  props.value = value;
  show_veil();
  trigger("input");
}

part("veil").addEventListener("pointerdown", (event) => {
  part("veil").setPointerCapture(event.pointerId);
  if (!props.value) pen.clearRect(0, 0, mark.width, mark.height);
  stroke(event);
});
part("veil").addEventListener("pointermove", (event) => last && stroke(event));
for (const end of ["pointerup", "pointercancel"]) {
  part("veil").addEventListener(end, () => {
    if (!last) return;
    last = null;
    const flat = Object.assign(document.createElement("canvas"), { width: mark.width, height: mark.height });
    const paper = flat.getContext("2d");
    paper.fillRect(0, 0, flat.width, flat.height);
    paper.drawImage(mark, 0, 0);
    give(flat.toDataURL("image/png"));
  });
}
part("whole").onclick = () => {
  pen.clearRect(0, 0, mark.width, mark.height);
  give(null);
};

// Which picture: the first that is there of those that the tab named.
function follow() {
  const source = given.shown.map((selector) => document.querySelector(selector)?.src).find(Boolean) ?? "";
  if (part("picture").getAttribute("src") !== source) part("picture").src = source;
}
part("picture").onload = resize;
new MutationObserver(follow).observe(element.closest(".inspector"), {
  subtree: true, childList: true, attributes: true, attributeFilter: ["src", "aria-pressed"],
});
watch("value", () => props.value !== own && read());
follow();
