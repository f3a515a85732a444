// What the models are: name, size, licence, what they are for.
const language = window.atelier?.language ?? "en";
const words = props.texts[language];
for (const node of element.querySelectorAll("[data-text]")) node.textContent = words[node.dataset.text];

function row(model) {
  const node = document.createElement("li");
  const add = (tag, text) => node.append(Object.assign(document.createElement(tag), { textContent: text }));
  add("strong", model.name);
  add("span", `${words[model.family]} · ${model.size} · ${model.licence}`);
  add("p", model.description[language]);
  return node;
}

element.querySelector('[data-part="list"]').replaceChildren(...props.catalogue.map(row));
