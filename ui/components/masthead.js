// The head of the page: its name, the language and the light.
const { language, choose_language, choose_theme } = window.atelier;
const words = props.texts[language];
const part = (name) => element.querySelector(`[data-part="${name}"]`);

for (const node of element.querySelectorAll("[data-text]")) node.textContent = words[node.dataset.text];
part("language").setAttribute("aria-label", words.language);
part("theme").setAttribute("aria-label", words.theme);
part("theme").title = words.theme;
part("theme").onclick = () => choose_theme(!document.body.classList.contains("dark"));

for (const [code, name] of [["en", "English"], ["ko", "한국어"]]) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: name, lang: code });
  button.setAttribute("aria-pressed", String(code === language));
  button.onclick = () => choose_language(code);
  part("language").append(button);
}
