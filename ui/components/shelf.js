// The shelf of learned styles. The list comes from the server when one is kept or taken away.
const words = props.texts[window.atelier?.language ?? "en"];
const part = (name) => element.querySelector(`[data-part="${name}"]`);

for (const node of element.querySelectorAll("[data-text]")) node.textContent = words[node.dataset.text];
part("tiles").setAttribute("aria-label", words.title);

async function refresh() {
  const answer = await server.entries({});
  if (answer) part("tiles").replaceChildren(...answer.entries.map(tile));
}

function tile({ name, picture }) {
  const node = Object.assign(document.createElement("span"), { className: "shelf-tile" });
  const pick = Object.assign(document.createElement("button"), { type: "button", title: name });
  pick.setAttribute("aria-label", name);
  pick.append(Object.assign(new Image(), { src: picture, alt: "" }));
  pick.onclick = () => trigger("pick", { name });
  const away = Object.assign(document.createElement("button"), { type: "button", className: "away", textContent: "×" });
  away.setAttribute("aria-label", `${words.away}: ${name}`);
  away.title = words.away;
  away.onclick = () => remove(away, name);
  const called = Object.assign(document.createElement("span"), { textContent: name });
  node.append(pick, away, called);
  return node;
}

// The first press asks, the second takes away.
async function remove(button, name) {
  if (!button.classList.contains("sure")) {
    button.classList.add("sure");
    button.textContent = words.sure;
    button.onblur = () => {
      button.classList.remove("sure");
      button.textContent = "×";
    };
    return;
  }
  await server.remove({ name });
  refresh();
}

part("keep").onclick = () => trigger("keep");
watch("value", refresh);
refresh();
