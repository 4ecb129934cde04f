// Mitoses of a blinded sample, one at a time, large; each answer is written at once.

import { ApiError, getJson, getPicture, post, takeToken } from "./api.js";
import { byId, el, icon, onceAFrame, sharp } from "./dom.js";
import { remember, remembered } from "./store.js";

const VERDICTS = [["1", "normal", "normal"], ["2", "abnormal", "abnormal"], ["3", "not_a_mitosis", "not a mitosis"], ["0", "undecided", "undecided"]];
const FRAMES = 12, SEPARATION = 3, MINUTES = 10, BAR_UM = 20;
const LABEL = 20, GAP = 3, BETWEEN = 12; // pixels: minutes below a line, seams, between two lines of frames
const FONT = "12px system-ui, sans-serif";

let who = "", items = [], at = 0, isBusy = false, isReadOnly = false;
const answered = []; // indices, in the order in which they were answered on this page
const films = new Map(); // index -> promise of a picture

async function begin() {
  takeToken();
  theme(remembered("theme", ""));
  mount();
  const session = await getJson("session");
  isReadOnly = session.read_only;
  who = remembered("rater", "");
  if (!who) await askName(session.who);
  await load();
}

async function load() {
  byId("who").textContent = who;
  ({ items } = await getJson(`sample?who=${encodeURIComponent(who)}`));
  answered.length = 0;
  go(Math.max(0, items.findIndex(item => !item.judged)));
  saved(isReadOnly ? "Read only" : "All saved");
}

// What is shown

function film(index) {
  if (!films.has(index)) {
    const asked = getPicture(`sample/${index}/film.png`);
    asked.catch(() => films.delete(index));
    films.set(index, asked);
    if (films.size > 12) films.delete(films.keys().next().value);
  }
  return films.get(index);
}

function go(index) {
  at = Math.min(Math.max(index, 0), items.length - 1);
  show();
  for (const near of [at + 1, at - 1]) if (items[near]) film(near).catch(() => {});
}

function show() {
  const n = items.filter(item => item.judged).length;
  byId("count").textContent = n === items.length ? `All ${n} are judged. Thank you; you may close this page.` : `${n} of ${items.length} judged`;
  byId("bar").max = items.length;
  byId("bar").value = n;
  byId("place").textContent = `${at + 1} of ${items.length}`;
  byId("previous").disabled = at === 0;
  byId("next").disabled = at === items.length - 1;
  byId("open").disabled = n === items.length;
  byId("undo").disabled = isReadOnly || !(answered.length || items[at].judged);
  for (const button of byId("verdicts").children) {
    button.setAttribute("aria-pressed", String(button.dataset.verdict === items[at].judged));
    button.disabled = isReadOnly;
  }
  draw();
}

const draw = onceAFrame(async () => {
  const index = at;
  let picture;
  try {
    picture = await film(index);
  } catch (error) {
    return saved(error.message, true);
  }
  if (index === at) paint(picture, items[index].side_um);
});

/** As many frames a line as make them largest. */
function layout(width, height, rows) {
  const tiles = [12, 6, 4].map(columns => {
    const lines = FRAMES / columns;
    const wide = (width - (columns - 1) * GAP) / columns;
    const high = (height - lines * (LABEL + (rows - 1) * GAP) - (lines - 1) * BETWEEN) / (lines * rows);
    return { columns, lines, side: Math.floor(Math.min(wide, high)) };
  });
  return tiles.reduce((best, other) => (other.side > best.side ? other : best));
}

function paint(picture, sideUm) {
  const canvas = byId("film");
  const { context: c, width, height } = sharp(canvas);
  const source = picture.width / FRAMES, rows = picture.height / source;
  const { columns, lines, side } = layout(width, height, rows);
  const line = rows * side + (rows - 1) * GAP + LABEL;
  const left = (width - columns * side - (columns - 1) * GAP) / 2;
  const top = Math.max(0, (height - lines * line - (lines - 1) * BETWEEN) / 2);
  const style = getComputedStyle(document.documentElement);
  c.clearRect(0, 0, width, height);
  c.imageSmoothingQuality = "high";
  c.font = FONT;
  c.textAlign = "center";
  for (let k = 0; k < FRAMES; k++) {
    const x = left + (k % columns) * (side + GAP), y = top + Math.floor(k / columns) * (line + BETWEEN);
    for (let row = 0; row < rows; row++)
      c.drawImage(picture, k * source, row * source, source, source, x, y + row * (side + GAP), side, side);
    const minutes = (k - SEPARATION) * MINUTES;
    c.fillStyle = style.getPropertyValue(minutes ? "--soft" : "--ink");
    c.fillText(minutes ? `${minutes > 0 ? "+" : "−"}${Math.abs(minutes)}` : "0 min", x + side / 2, y + line - 5);
    if (!minutes) {
      c.strokeStyle = style.getPropertyValue("--amber");
      c.lineWidth = 3;
      c.strokeRect(x - 0.5, y - 0.5, side + 1, line - LABEL + 1);
    }
  }
  if (sideUm > 0) bar(c, left + side - 8, top + side - 8, BAR_UM * side / sideUm);
  canvas.dataset.index = at;
}

function bar(c, right, y, length) {
  c.fillStyle = "#fff";
  c.fillRect(right - length, y - 3, length, 3);
  c.textAlign = "right";
  c.fillText(`${BAR_UM} µm`, right, y - 8);
}

// What is said

async function judge(verdict) {
  const index = at;
  const done = await send(`sample/${index}`, { verdict, who });
  if (!done) return;
  answered.push(index);
  items[index].judged = done.judged;
  if (index === at) nextOpen();
}

/** Takes the last answer of this page back, or else that on what is shown. */
async function undo() {
  const index = answered.length ? answered.at(-1) : at;
  if (!items[index].judged) return;
  const done = await send(`sample/${index}/undo`, { who });
  if (!done) return;
  answered.pop();
  items[index].judged = done.judged;
  go(index);
}

async function send(path, body) {
  if (isBusy || isReadOnly) return null;
  isBusy = true;
  try {
    const done = await post(path, body);
    saved("All saved");
    return done;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    saved(`Not saved. ${error.message}`, true);
    return null;
  } finally {
    isBusy = false;
  }
}

/** The next that is open, from the start again after the last one; where none is, the next. */
function nextOpen() {
  const isOpen = i => !items[i].judged;
  const order = items.map((_, i) => (at + 1 + i) % items.length);
  go(order.find(isOpen) ?? at);
}

function saved(words, isBad = false) {
  byId("saved").replaceChildren(el("span", { class: "lamp" }), words);
  byId("saved").classList.toggle("bad", isBad);
}

// Page

function mount() {
  for (const [key, verdict, words] of VERDICTS)
    byId("verdicts").append(el("button", { class: verdict, "data-verdict": verdict, "aria-pressed": "false", onclick: () => judge(verdict) }, el("kbd", {}, key), words));
  const actions = { previous: () => go(at - 1), next: () => go(at + 1), undo, open: nextOpen, "help-button": () => byId("help").showModal() };
  for (const [id, act] of Object.entries(actions)) byId(id).addEventListener("click", act);
  byId("who").addEventListener("click", () => askName(who).then(load).catch(fail));
  byId("theme").append(icon("M8 2a6 6 0 1 0 .01 0", "M8 2.5v11M9.5 3v10M11 4v8M12.5 5.5v5"));
  byId("theme").addEventListener("click", () => theme(isDark() ? "light" : "dark"));
  byId("help").addEventListener("click", event => event.target === byId("help") && byId("help").close());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(() => items.length && draw()).observe(byId("screen"));
  const keys = { ArrowLeft: actions.previous, ArrowRight: actions.next, u: undo, Enter: nextOpen, "?": actions["help-button"] };
  for (const [key, verdict] of VERDICTS) keys[key] = () => judge(verdict);
  document.addEventListener("keydown", event => {
    if (document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey || event.repeat || !items.length) return;
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault(); // a button that has the focus would be pressed as well
    keys[event.key]();
  });
}

const isDark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function theme(name) {
  if (name) document.documentElement.dataset.theme = name;
  remember("theme", name);
  if (items.length) draw();
}

function askName(name) {
  const dialog = byId("name-dialog");
  byId("name").value = name;
  dialog.showModal();
  byId("name").select();
  return new Promise(done => {
    dialog.addEventListener("close", () => {
      who = byId("name").value.trim() || name;
      remember("rater", who);
      done();
    }, { once: true });
  });
}

function fail(error) {
  byId("message").textContent = error.message;
  byId("message").hidden = false;
}

begin().catch(fail);
