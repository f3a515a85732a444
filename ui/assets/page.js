// Runs before the components are built: language, light, and the keys that work everywhere.
(() => {
  const COOKIE = "atelier-language";
  const THEME = "atelier-theme";

  const cookie = document.cookie.split("; ").find((part) => part.startsWith(`${COOKIE}=`));
  const chosen = cookie?.slice(COOKIE.length + 1);
  const language = chosen ?? (navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en");
  // Gradio translates its own words into the browser's language; ours decides.
  Object.defineProperty(navigator, "language", { get: () => language, configurable: true });
  Object.defineProperty(navigator, "languages", { get: () => [language], configurable: true });

  function choose_language(code) {
    document.cookie = `${COOKIE}=${code}; path=/; max-age=31536000; samesite=lax`;
    location.reload();
  }

  function choose_theme(dark) {
    localStorage.setItem(THEME, dark ? "dark" : "light");
    light();
  }

  // Gradio follows the system's light and says so on the body; a choice made here goes before it, and before it is seen.
  function light() {
    const theme = localStorage.getItem(THEME);
    if (theme) document.body.classList.toggle("dark", theme === "dark");
  }
  function watch_light() {
    light();
    new MutationObserver(light).observe(document.body, { attributeFilter: ["class"] });
  }
  if (document.body) watch_light();
  else document.addEventListener("DOMContentLoaded", watch_light);

  // The sentence is beside the canvas too, and announced there.
  function toast(sentence) {
    const note = Object.assign(document.createElement("div"), { className: "studio-toast", textContent: sentence });
    note.setAttribute("aria-hidden", "true");
    note.onclick = () => note.remove();
    document.querySelector(".studio-toast")?.remove();
    document.querySelector(".gradio-container").append(note);
    setTimeout(() => note.remove(), 7000);
  }

  window.atelier = { language, choose_language, choose_theme, toast };

  const tell = (name) => document.dispatchEvent(new CustomEvent(`atelier:${name}`));
  const typing = (node) => node.matches?.("textarea, select, [contenteditable], [role=listbox], input:not([type=range])");

  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      const draw = [...document.querySelectorAll("button.draw")].find((button) => button.offsetParent);
      if (!draw) return;
      event.preventDefault();
      if (event.target.type === "number") event.target.blur(); // Gradio takes a number when its field is left
      draw.click();
    } else if (event.key === "Escape" && !typing(event.target)) tell("stop");
  });
  // A prompt that is being typed is for the next drawing: leaving its field would hand it to the one that ends now.
  document.addEventListener("mousedown", (event) => {
    const field = document.activeElement;
    if (event.target.closest?.("button.draw") && field?.matches("textarea, input[type=text]")) event.preventDefault();
  });
  document.addEventListener("click", (event) => event.target.closest?.("button.draw") && tell("draw"));
})();
