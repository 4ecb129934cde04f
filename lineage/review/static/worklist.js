// What to look at next, the most valuable first, or all events; with filters, and how many are left.

import { byId, el, onceAFrame } from "./dom.js";
import { goToCell, goToItem } from "./find.js";
import { longList } from "./lists.js";
import { isInView } from "./movie.js";
import { fresh, takenBack, verdictOf } from "./said.js";
import { notify, on, set, state } from "./store.js";
import { KINDS, VERDICTS, capital, hours, ofEvent, placesOf, plain } from "./words.js";

const ROW = 44;
const filter = { what: "doubtful", open: "open", text: "", kind: "", verdict: "", reason: "", from: "", to: "", inView: false };
let list, form, left, empty;
let showing = []; // the items that the filters let through, in order
let behind = null; // the item that was left last
let place = 0; // of the item at hand among them: from there it goes on, whatever becomes of the item

export function mount() {
  list = longList(ROW, row);
  form = el("form", { class: "filters", onsubmit: event => event.preventDefault() });
  left = el("span", { title: "What may raise the fraction abnormal and what may lower it take turns; of each what counts most comes first" });
  empty = el("p", { class: "empty", hidden: true });
  const inView = el("input", { type: "checkbox", onchange: event => { filter.inView = event.target.checked; draw(); } });
  byId("panel-worklist").append(form, el("div", { class: "left soft" }, left,
    el("label", { class: "onward", title: "Only what lies in the part of the field that is seen" }, inView, "in view")), empty, list.element);
  fields();
  const refresh = onceAFrame(draw);
  on(["worklist", "lineage", "item", "corrections", "movie"], refresh);
  on("view", () => filter.inView && refresh());
}

// Filters

function fields() {
  const change = name => event => {
    filter[name] = event.target.value;
    again();
  };
  const choose = (name, label) => el("select", { "data-name": name, "aria-label": label, onchange: change(name) });
  const hoursField = (name, hint) => el("input", {
    type: "number", min: 0, step: "any", placeholder: hint, class: "hours", "data-name": name, "aria-label": `${hint} hours`, oninput: change(name),
  });
  form.append(
    el("div", {}, segments("what", [["doubtful", "Doubtful"], ["all", "All events"]]),
    el("input", { type: "search", id: "filter", placeholder: "Filter  ( / )", title: "Words to filter by; a number and Enter go to that cell", "aria-label": "Filter by words, or go to a cell by number",
      oninput: change("text"), onkeydown: jump }),
    segments("open", [["open", "Open"], ["done", "Done"], ["", "All"]])),
    el("div", {}, choose("kind", "Kind"), choose("verdict", "Verdict"), choose("reason", "Reason"), hoursField("from", "from h"), hoursField("to", "to h")));
}

/** Enter after a number goes to the cell of that number. */
function jump(event) {
  const cell = /^\d+$/.test(filter.text.trim()) ? Number(filter.text) : -1;
  if (event.key !== "Enter" || cell < 0) return;
  if (!state.lineage.cells.has(cell)) return notify(`There is no cell ${cell}.`, true);
  filter.text = event.target.value = "";
  again();
  goToCell(cell, state.frame, { closely: true });
}

function segments(name, choices) {
  const buttons = choices.map(([value, words]) => el("button", {
    type: "button", "data-value": value, "aria-pressed": String(filter[name] === value), onclick: () => {
      filter[name] = value;
      buttons.forEach(b => b.setAttribute("aria-pressed", String(b.dataset.value === value)));
      again();
    },
  }, words));
  return el("div", { class: "segments", role: "group" }, buttons);
}

/** Other filters: the list is walked through from its beginning. */
function again() {
  place = 0;
  draw();
  list.element.scrollTop = 0;
}

/** Give a choice the values that there are, and keep what is chosen if it is still among them. */
function offer(name, all, values, words) {
  const select = form.querySelector(`[data-name=${name}]`);
  const signature = values.join();
  if (select.dataset.values === signature) return;
  select.dataset.values = signature;
  select.replaceChildren(el("option", { value: "" }, all), ...values.map(v => el("option", { value: v }, words(v))));
  if (!values.includes(filter[name])) filter[name] = "";
  select.value = filter[name];
}

// Items

/** The work list's items, or one for each event. */
function items() {
  if (filter.what === "doubtful") return state.worklist.items;
  const known = new Map(state.worklist.items.filter(i => i.event_id !== null).map(i => [i.event_id, i]));
  return (state.lineage?.events ?? []).map(e => known.get(e.event_id) ?? {
    key: `event ${e.event_id}`, kind: "event", reasons: [], words: `${ofEvent(e)} of cell ${e.mother}`, event_id: e.event_id,
    cell: e.mother, frame: e.frame, y_px: e.y_px, x_px: e.x_px, done: e.person, score: 0,
  });
}

const eventOf = item => (item.event_id === null ? null : state.lineage?.eventById.get(item.event_id) ?? null);

function verdictOfItem(item) {
  const event = eventOf(item);
  return event?.event_type === "mitosis" ? verdictOf(event) : null;
}

/** Whether it is done, as the server's list will have it: what was said or undone may not be in it yet. */
function doneNow() {
  const [said, undone] = [fresh().flatMap(placesOf), takenBack().flatMap(placesOf)];
  const [isAbout, isUndone] = [said, undone].map(places => item => places.some(place => Math.abs(place.frame - item.frame) <= 3
    && Math.hypot(place.y_px - item.y_px, place.x_px - item.x_px) <= state.movie.diameter_px));
  return item => isAbout(item) || (item.done && !isUndone(item));
}

/** How many items of the list are left, and how many are done. */
export function counted() {
  if (!state.movie) return [0, 0];
  const n = state.worklist.items.filter(doneNow()).length;
  return [state.worklist.items.length - n, n];
}

/** What an item is: the type of its event, or what happens to its cell. */
const kindOf = item => eventOf(item)?.event_type ?? item.kind;

function fits(item) {
  const time = item.frame * state.movie.minutes_per_frame / 60;
  const text = filter.text.trim().toLowerCase();
  return (!filter.kind || kindOf(item) === filter.kind)
    && (!filter.verdict || verdictOfItem(item)?.verdict === filter.verdict)
    && (!filter.reason || item.reasons.includes(filter.reason))
    && (filter.from === "" || time >= Number(filter.from)) && (filter.to === "" || time <= Number(filter.to))
    && (!filter.inView || isInView(item))
    && (!text || `${item.words} ${item.reasons.map(plain).join(" ")} cell ${item.cell}`.toLowerCase().includes(text));
}

function draw() {
  if (!state.movie || !state.lineage) return;
  const isDone = doneNow();
  const all = items();
  offer("kind", "any kind", [...new Set(all.map(kindOf))].sort(), k => KINDS[k] ?? plain(k));
  offer("verdict", "any verdict", Object.keys(VERDICTS), v => VERDICTS[v]);
  offer("reason", "any reason", [...new Set(all.flatMap(i => i.reasons))].sort(), plain);
  const fitting = all.filter(fits).map(item => ({ ...item, done: isDone(item) }));
  const isOpen = item => !item.done;
  showing = fitting.filter(i => filter.open === "" || isOpen(i) === (filter.open === "open"));
  keepPlace(fitting.find(i => i.key === state.item));
  const nOpen = fitting.filter(isOpen).length;
  const order = filter.what === "doubtful" ? "; in turns what may raise and may lower the fraction" : "";
  left.textContent = fitting.length ? `${nOpen} left, ${fitting.length - nOpen} done${order}` : nothing(all);
  empty.hidden = !fitting.length || showing.length > 0;
  empty.textContent = filter.open === "open" ? "Nothing of this is open any more: Done and All show the rest." : "Nothing of this is done yet.";
  list.show(showing);
  list.reveal(showing.findIndex(i => i.key === state.item));
}

/** The item at hand stays where it was in the list, also when it is done, and those that are done come last. */
function keepPlace(item) {
  if (!item) return;
  const at = showing.indexOf(item);
  if (at >= 0 && !item.done) place = at;
  else if (at !== place) {
    if (at >= 0) showing.splice(at, 1);
    showing.splice(place, 0, item);
  }
}

function nothing(all) {
  if (all.length) return "Nothing fits these filters.";
  return filter.what === "all" ? "This run has no events." : "Nothing doubtful was found.";
}

function row(item) {
  const said = verdictOfItem(item);
  const dot = el("i", { class: `dot ${said?.verdict ?? "no-verdict"} ${said?.pending ? "pending" : ""}` });
  const reasons = item.reasons.map(plain).join(", ");
  const time = hours(item.frame * state.movie.minutes_per_frame);
  return el("button", {
    class: `item ${item.done && filter.open === "open" ? "done" : ""}`, type: "button", tabIndex: -1, "aria-current": String(item.key === state.item), onclick: () => go(item),
    title: item.done && filter.open === "open" ? `${item.words} (Done: it goes from this list with the next item.)` : item.words,
  }, dot,
  el("span", { class: "what" }, el("b", {}, capital(heading(item, said))), el("small", {}, item.event_id === null ? item.words : reasons || item.words)),
  el("span", { class: "when" }, `${time} h`, el("small", {}, `cell ${item.cell}`)),
  el("span", { class: "tick", title: item.done ? "done" : "" }, item.done ? "✓" : ""));
}

function heading(item, said) {
  const event = eventOf(item);
  if (event) return said ? `${ofEvent(event)}: ${VERDICTS[said.verdict]}` : ofEvent(event);
  const words = { lost: "cell is lost", begins: "cell begins in the field", track: "short track" };
  return item.reasons.includes("lost_before_division") ? "lost before a division was due" : words[item.kind] ?? plain(item.kind);
}

// Walking

function go(item) {
  place = showing.findIndex(i => i.key === item.key);
  goToItem(item);
}

/** The next item (or the one before, for -1) of those that the filters let through; back also to one that was just done. */
export function step(by) {
  const here = atItem();
  const isGone = behind && behind.key !== here?.key && !showing.some(i => i.key === behind.key);
  if (by < 0 && isGone) {
    const item = behind;
    behind = null;
    return goToItem(item);
  }
  behind = here;
  const at = showing.findIndex(i => i.key === state.item);
  const next = at < 0 && by > 0 ? place : (at < 0 ? place : at) + by; // what follows an item that is gone has its place
  if (!showing[next]) return notify(showing.length ? `That was the ${by > 0 ? "last" : "first"} one of the list.` : "Nothing is left in the list.");
  go(showing[next]);
}

/** The item at hand, whatever is selected. */
export const atItem = () => state.worklist.items.find(i => i.key === state.item) ?? items().find(i => i.key === state.item) ?? null;

/** The item at hand, if it is about a cell or a nucleus, not about an event, and that is still what is selected. */
export function ofCell() {
  const item = atItem();
  return item && item.event_id === null && item.cell === state.selected?.cell ? item : null;
}

export function find() {
  set({ tab: "worklist" });
  byId("filter").focus();
  byId("filter").select();
}
