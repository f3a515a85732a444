// The history: one card per run, newest first. The list comes from the server whenever a run changes its state.
const language = window.atelier?.language ?? "en";
const words = props.texts[language];
const part = (name) => element.querySelector(`[data-part="${name}"]`);
const PAGE = 24;
let shown = PAGE;

for (const node of element.querySelectorAll("[data-text]")) node.textContent = words[node.dataset.text];

async function refresh() {
  const answer = await server.entries({ mine: props.value?.mine ?? [], count: shown, language });
  if (!answer) return; // the server cannot be reached just now
  part("none").hidden = answer.entries.length > 0;
  part("cards").replaceChildren(...answer.entries.map(card));
  part("unreadable").textContent = answer.unreadable;
  part("unreadable").hidden = !answer.unreadable;
  element.querySelector('[data-act="more"]').hidden = !answer.more;
}

function card(entry) {
  const node = document.createElement("li");
  node.className = "card";
  const open = make("button", "thumbnail", "");
  open.type = "button";
  open.setAttribute("aria-label", `${words.open}: ${entry.title}`);
  open.onclick = () => trigger("open", { run: entry.run });
  if (entry.thumbnail) open.append(Object.assign(new Image(), { src: entry.thumbnail, alt: "" }));
  const text = make("div", "card-text", "");
  text.append(make("strong", "", entry.title), make("span", "card-facts", entry.facts), make("span", "card-facts", when(entry)));
  const row = make("div", "card-actions", "");
  if (entry.resumable) row.append(action("resume", entry));
  if (!entry.damaged) row.append(action("restore", entry));
  row.append(action("delete", entry));
  node.append(open, text, row);
  return node;
}

function when(entry) {
  const created = new Date(entry.created);
  const today = created.toDateString() === new Date().toDateString();
  const date = today ? {} : { month: "short", day: "numeric" };
  return new Intl.DateTimeFormat(language, { ...date, hour: "2-digit", minute: "2-digit" }).format(created);
}

function action(key, entry) {
  const node = make("button", key, words[key]);
  node.type = "button";
  node.title = words[`${key}_hint`];
  node.setAttribute("aria-label", `${words[key]}: ${entry.title}`);
  node.onclick = key === "delete" ? () => remove(node, entry) : () => trigger(key, { run: entry.run });
  return node;
}

// The first press asks, the second deletes.
async function remove(node, entry) {
  if (!node.classList.contains("sure")) {
    node.classList.add("sure");
    node.textContent = words.sure;
    node.onblur = () => {
      node.classList.remove("sure");
      node.textContent = words.delete;
    };
    return;
  }
  const answer = await server.remove({ run: entry.run, language });
  if (answer?.error) window.atelier.toast(answer.error);
  else trigger("deleted", { run: entry.run });
  refresh();
}

function make(tag, name, text) {
  return Object.assign(document.createElement(tag), { className: name, textContent: text });
}

element.querySelector('[data-act="more"]').onclick = () => {
  shown += PAGE;
  refresh();
};
document.addEventListener("atelier:state", refresh);
watch("value", refresh);
refresh();
