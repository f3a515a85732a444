// One button per prompt.
const words = props.texts[window.atelier?.language ?? "en"];
const row = element.querySelector(".examples");
row.setAttribute("aria-label", words.label);
for (const [key, prompt] of Object.entries(words)) {
  if (key === "label") continue;
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: prompt });
  button.onclick = () => trigger("pick", { prompt });
  row.append(button);
}
