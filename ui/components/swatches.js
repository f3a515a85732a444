// Pictures to choose from; the chosen one's name is the value.
const words = given.texts[window.atelier.language];
const part = (name) => element.querySelector(`[data-part="${name}"]`);
part("label").textContent = words.label;
part("help").textContent = words.help;
part("tiles").setAttribute("aria-label", words.label);

for (const { name, source } of given.swatches) {
  const tile = Object.assign(document.createElement("button"), { type: "button", title: words[name] });
  tile.dataset.name = name;
  tile.setAttribute("aria-label", words[name]);
  if (source) tile.append(Object.assign(new Image(), { src: source, alt: "" }));
  tile.onclick = () => {
    props.value = name;
    mark();
    trigger("input");
  };
  part("tiles").append(tile);
}

function mark() {
  for (const tile of part("tiles").children) tile.setAttribute("aria-pressed", String(tile.dataset.name === props.value));
  part("chosen").textContent = words[props.value] ?? "";
}
watch("value", mark);
mark();
