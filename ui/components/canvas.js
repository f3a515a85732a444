// The live canvas. It asks for the next picture when the last one is decoded, so nothing ever piles up, and it is told
// nothing but what it asks for: the run's unguessable id is all it knows.
const language = window.atelier?.language ?? "en";
const words = props.texts[language];
const say = (key, values = {}) => (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
const part = (name) => element.querySelector(`[data-part="${name}"]`);
const button = (act) => element.querySelector(`[data-act="${act}"]`);
const wait = (ms) => new Promise((done) => setTimeout(done, ms));

const ICONS = {
  pause: "M8 5v14M16 5v14",
  resume: "M7 4.5v15l12.5-7.5z",
  step: "M6 5v14l9-7zM18.5 5v14",
  stop: "M6 6h12v12H6z",
  enlarge: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
};
const BUSY = ["running", "resting", "paused", "queued"];

let run = null; // the run that is shown
let seen = {}; // its last answer
let past = null; // the step that is looked at, or null: now
let before_key = ""; // of the picture from before the edit, as it is shown
let generation = 0; // a new number ends older loops
let just_drawn = false; // a failure is news, not history

// ------------------------------------------------------------------------------------------- still life

function icon(target, name) {
  target.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;
}

function name_button(target, key) {
  target.title = say(key);
  target.setAttribute("aria-label", say(key.replace(/_hint$/, "")));
}

for (const node of element.querySelectorAll("[data-icon]")) icon(node, node.dataset.icon);
for (const node of element.querySelectorAll("[data-text]")) node.textContent = say(node.dataset.text);
for (const act of ["step", "stop", "enlarge"]) name_button(button(act), `${act}_hint`);
name_button(button("toggle"), "pause_hint");
part("easel").setAttribute("aria-label", say("canvas"));
part("transport").setAttribute("aria-label", say("transport"));
part("progress").setAttribute("aria-label", say("progress"));
part("split").setAttribute("aria-label", say("compare"));
part("invitation").textContent = say("invitation");
part("status").textContent = say("idle");
part("kind").setAttribute("aria-label", say("export_kind"));
for (const kind of props.exports) part("kind").append(new Option(say(`kind.${kind}`), kind));

// ------------------------------------------------------------------------------------------- following a run

// Gradio's client gives nothing back when the server cannot be reached.
async function ask(what, question) {
  try {
    return (await server[what]({ ...question, language })) ?? { lost: true, error: say("lost") };
  } catch {
    return { lost: true, error: say("lost") };
  }
}

async function follow(id) {
  const mine = ++generation;
  [run, seen, past] = [id, {}, null];
  part("past").hidden = true;
  while (mine === generation && run && element.isConnected) {
    const answer = await ask("poll", { run, last: seen.version ?? -1, before: before_key });
    if (answer.lost) {
      part("status").textContent = say("lost");
      await wait(1000);
      continue;
    }
    if (mine !== generation) return;
    if (answer.error) return forget(answer.error);
    await show(answer);
    await wait(document.hidden || !part("easel").offsetParent ? 1000 : 60); // slowly where nobody looks
  }
}

async function show(answer) {
  if (answer.before) compare(answer.before);
  if (answer.picture && past === null && !(await paint(answer.picture))) answer.version = -1; // ask again
  part("status").textContent = answer.status;
  part("meter").textContent = answer.meter;
  if (answer.notice !== (seen.notice ?? "")) notice(answer.notice);
  part("remark").textContent = answer.remark;
  part("remark").hidden = !answer.remark;
  progress(answer.step, answer.steps);
  transport(answer.state, answer.resumable);
  moments(answer.timeline);
  if (answer.curve) curve(answer.curve, answer.marks);
  part("below").hidden = false;
  busy(BUSY.includes(answer.state));
  if (answer.state === "failed" && seen.state !== "failed" && (seen.state || just_drawn)) complain(answer.notice);
  just_drawn = false;
  if (answer.state !== seen.state) document.dispatchEvent(new CustomEvent("atelier:state", { detail: answer.state }));
  seen = { ...seen, ...answer };
}

// True when it can be seen.
async function paint(source) {
  const picture = part("picture");
  const next = new Image();
  next.src = source;
  try {
    await next.decode();
  } catch {
    return false; // browsers give up on a picture now and then when they are busy
  }
  picture.src = source;
  picture.alt = say("picture", { title: props.value?.title ?? "" });
  picture.hidden = false;
  part("blank").hidden = true;
  part("paper").classList.remove("waiting");
  part("paper").style.setProperty("--ratio", `${next.naturalWidth} / ${next.naturalHeight}`);
  return true;
}

// With what the picture was before, to the left of a line that can be moved.
function compare({ key, picture }) {
  before_key = key;
  part("before").hidden = !picture;
  part("before-picture").style.backgroundImage = picture ? `url(${picture})` : "";
}

function split() {
  part("before").style.setProperty("--split", `${part("split").value}%`);
}

function forget(sentence) {
  generation++;
  run = null;
  seen = {};
  transport("", false);
  busy(false);
  part("status").textContent = say("idle");
  part("meter").textContent = "";
  part("paper").classList.remove("waiting");
  if (sentence) complain(sentence);
}

// ------------------------------------------------------------------------------------------- parts

function notice(sentence) {
  part("notice").textContent = sentence || "";
  part("notice").hidden = !sentence;
}

// The tab's look follows: assets/studio.css.
function busy(is_busy) {
  element.closest(".studio")?.classList.toggle("busy", is_busy);
}

// What has just gone wrong: beside the canvas, where it stays, and as a toast, wherever one is looking.
function complain(sentence) {
  notice(sentence);
  window.atelier.toast(sentence);
}

function progress(step, steps) {
  part("filled").style.width = `${steps ? (100 * step) / steps : 0}%`;
  part("progress").setAttribute("aria-valuemax", steps);
  part("progress").setAttribute("aria-valuenow", step);
}

function transport(state, resumable) {
  const toggle = button("toggle");
  const action = ["running", "resting", "queued"].includes(state) ? "pause" : "resume";
  if (toggle.dataset.icon !== action) {
    toggle.dataset.icon = action;
    icon(toggle, action);
    name_button(toggle, `${action}_hint`);
  }
  toggle.disabled = action === "resume" && !resumable;
  button("step").disabled = !["running", "paused", "stopped"].includes(state);
  button("stop").disabled = !BUSY.includes(state);
}

function moments(steps) {
  const slider = part("moments");
  slider.disabled = steps.length < 2;
  slider.max = Math.max(steps.length - 1, 0);
  if (past === null) slider.value = slider.max;
}

function curve(terms, marks) {
  const lines = terms.map((term, i) => `<polyline class="term-${i % 8}" points="${term.points}"/>`);
  const flags = marks.map((mark) => `<line class="mark" x1="${mark.x}" x2="${mark.x}" y1="0" y2="60"/>`);
  part("curve").innerHTML = flags.concat(lines).join("");
  part("curve").setAttribute("aria-label", say("losses"));
  part("legend").replaceChildren(...terms.map(legend_entry));
  const recent = marks.slice(-6).reverse();
  part("changes").replaceChildren(...recent.map((mark) => row("li", say("step_n", { step: mark.step }), mark.text)));
  part("unchanged").hidden = recent.length > 0;
}

function legend_entry(term, i) {
  const entry = row("li", term.name, term.value.toPrecision(3));
  entry.className = `term-${i % 8}`;
  return entry;
}

function row(tag, first, second) {
  const node = document.createElement(tag);
  for (const text of [first, second]) node.append(Object.assign(document.createElement("span"), { textContent: text }));
  return node;
}

// ------------------------------------------------------------------------------------------- what a person does

async function act(action, more = {}) {
  if (!run) return null;
  const answer = await ask("act", { run, action, ...more });
  if (answer.error) complain(answer.error);
  return answer.error ? null : answer;
}

async function look(index) {
  const step = seen.timeline?.[index];
  if (step === undefined) return;
  if (index === seen.timeline.length - 1) return back_to_now();
  past = step;
  part("moment").textContent = say("looking", { step });
  part("badge").textContent = say("step_n", { step });
  part("badge").hidden = part("past").hidden = false;
  const answer = await ask("look", { run, step });
  if (past === step && answer.picture) await paint(answer.picture);
}

function back_to_now() {
  past = null;
  part("badge").hidden = part("past").hidden = true;
  seen.version = -1; // ask for the newest picture again
}

async function save() {
  const save_button = button("export");
  const kind = part("kind").value;
  save_button.disabled = true;
  save_button.textContent = say("exporting");
  try {
    const answer = await ask("export", { run, kind, embed: part("embed").checked });
    if (answer.error) complain(answer.error);
    if (answer.url) Object.assign(document.createElement("a"), { href: answer.url, download: answer.name }).click();
  } finally {
    save_button.disabled = false;
    save_button.textContent = say("download");
  }
}

const ACTIONS = {
  toggle: () => act(button("toggle").dataset.icon),
  step: () => act("step"),
  stop: () => act("stop"),
  rewind: async () => (await act("rewind", { step: past })) && back_to_now(),
  branch: () => trigger("branch", { run, step: past }),
  now: back_to_now,
  export: save,
  enlarge: () => (document.fullscreenElement ? document.exitFullscreen() : part("paper").requestFullscreen()),
};

element.addEventListener("click", (event) => {
  const target = event.target.closest("[data-act]");
  if (target && !target.disabled) ACTIONS[target.dataset.act]();
});
part("moments").addEventListener("input", (event) => look(Number(event.target.value)));
part("split").addEventListener("input", split);
part("easel").addEventListener("keydown", (event) => {
  if (event.target !== part("easel") || event.code !== "Space") return;
  event.preventDefault();
  if (!button("toggle").disabled) ACTIONS.toggle();
});

// Keys and clicks elsewhere on the page (assets/page.js) arrive as events of the document.
document.addEventListener("atelier:stop", () => part("easel").offsetParent && !button("stop").disabled && ACTIONS.stop());
document.addEventListener("atelier:draw", () => {
  if (!part("easel").offsetParent) return; // another tab's
  just_drawn = true;
  notice("");
  part("paper").classList.add("waiting");
  part("status").textContent = say("preparing");
});

function attach() {
  const wanted = props.value?.run ?? null;
  part("paper").classList.remove("waiting");
  if (wanted && wanted !== run && just_drawn) part("easel").focus({ preventScroll: true }); // the keys are for the drawing
  if (wanted && wanted !== run) follow(wanted);
  else if (!wanted && run) forget("");
  if (!wanted) part("status").textContent = say("idle");
  if (props.value?.notice) complain(props.value.notice);
}
watch("value", attach);
attach();
