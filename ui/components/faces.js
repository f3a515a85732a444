// A row of numbered faces to choose from; the number of the chosen one is the value.
const language = window.atelier.language;
const words = given.texts[language];
const part = (name) => element.querySelector(`[data-part="${name}"]`);
const HIGHEST = 4294967295;

part("label").textContent = words.label;
part("help").textContent = words.help;
part("tiles").setAttribute("aria-label", words.label);
part("number").setAttribute("aria-label", words.label);
for (const name of ["before", "after", "dice"]) {
  part(name).textContent = { before: "‹", after: "›", dice: words.dice }[name];
  part(name).setAttribute("aria-label", words[name]);
}

let first = 0; // the number of the first face in the row
let generator = ""; // the server's word for the one that is chosen
let asked = ""; // what the pictures are of

const tiles = Array.from({ length: given.count }, () => {
  const tile = Object.assign(document.createElement("button"), { type: "button" });
  tile.append(Object.assign(new Image(), { alt: "" }));
  tile.onclick = () => choose(Number(tile.dataset.number));
  part("tiles").append(tile);
  return tile;
});

function choose(number) {
  props.value = Math.min(Math.max(Math.round(number) || 0, 0), HIGHEST);
  turn_to(props.value);
  trigger("input");
}

function turn_to(number) {
  if (number < first || number >= first + given.count) first = Math.max(0, Math.min(number, HIGHEST - given.count));
  part("number").value = number;
  mark();
  look();
}

function mark() {
  tiles.forEach((tile, i) => {
    tile.dataset.number = first + i;
    tile.title = `${words.label} ${first + i}`;
    tile.setAttribute("aria-label", tile.title);
    tile.setAttribute("aria-pressed", String(first + i === Number(props.value)));
  });
}

// Rendering faces takes a model and a moment: only what somebody sees is asked for, one after the other.
async function look() {
  const question = JSON.stringify([first, generator]);
  if (question === asked || !element.offsetParent) return;
  asked = question;
  for (const tile of tiles) tile.firstChild.removeAttribute("src");
  for (const tile of tiles) {
    const answer = await server.look({ number: Number(tile.dataset.number), generator });
    if (question !== asked) return;
    if (answer?.picture) tile.firstChild.src = answer.picture;
  }
}

part("before").onclick = () => ((first = Math.max(0, first - given.count)), mark(), look());
part("after").onclick = () => ((first = Math.min(HIGHEST - given.count, first + given.count)), mark(), look());
part("dice").onclick = () => choose(Math.floor(Math.random() * 100000));
part("number").onchange = (event) => choose(Number(event.target.value));
new IntersectionObserver((seen) => {
  if (!seen.some((one) => one.isIntersecting)) return;
  look();
  trigger("seen");
}).observe(element);
window.addEventListener("faces-of", ({ detail: [picker, word] }) => {
  if (picker !== given.id) return;
  generator = word;
  look();
});
watch("value", () => turn_to(Number(props.value) || 0));
turn_to(Number(props.value) || 0);
