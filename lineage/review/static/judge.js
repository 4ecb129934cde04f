// What is at hand to be judged: a mitosis, or another item of the work list; its film, its buttons, and what the keys say of it.

import { byId, el, onceAFrame } from "./dom.js";
import { cellAt, goToEvent, isNear } from "./find.js";
import { film } from "./film.js";
import { say, verdictOf } from "./said.js";
import { notify, on, remember, remembered, set, state } from "./store.js";
import { SUBTYPES, VERDICTS, capital, hours, ofEvent } from "./words.js";
import { atItem, ofCell, step } from "./worklist.js";

const KEYS = { normal: "1", abnormal: "2", not_a_mitosis: "3", undecided: "0" };
let why = "";
let panel;

export function mount() {
  panel = el("section", { id: "at-hand", "aria-label": "What is at hand" });
  byId("panel-worklist").querySelector(".list").before(panel);
  on(["selected", "eventId", "lineage", "corrections", "item", "worklist", "folded", "session", "tab"], onceAFrame(draw));
  on("onward", () => document.querySelectorAll(".goes-on").forEach(box => { box.checked = goesOn(); }));
}

/** In the work list, between the filters and the items. */
function draw() {
  if (state.tab !== "worklist") return;
  const event = eventAtHand();
  const item = event ? null : ofCell();
  panel.hidden = !event && !item;
  if (panel.hidden) return;
  const isFolded = remembered("folded", "false") === "true";
  const fold = el("button", { class: "quiet fold", "aria-expanded": String(!isFolded), "aria-label": "Film and verdict", title: "Fold away, or open", onclick: () => {
    remember("folded", String(!isFolded));
    set({ folded: !isFolded });
  } }, isFolded ? "▸" : "▾");
  const title = event ? `${ofEvent(event)} of cell ${event.mother}, ${hours(event.time_min)} h` : item.words;
  panel.replaceChildren(el("div", { class: "title" }, fold, el("b", { title }, capital(title)), nothingToCorrect()));
  if (isFolded || !event) return;
  if (event.event_type === "mitosis") panel.append(verdicts(event));
  const strip = film(event, "worklist", false);
  if (strip) panel.append(strip);
}

/** The event that keys are about: the item itself, or one that was chosen and is not far in time from what is shown. */
export function eventAtHand() {
  const event = state.lineage?.eventById.get(state.eventId);
  if (!event) return null;
  return atItem()?.event_id === event.event_id || isNear(event.frame, state.frame) ? event : null;
}

/** The four buttons: filled where a person said so, marked where the software found it; and by whom it was said. */
export function verdicts(event, more = false) {
  const now = verdictOf(event);
  const said = now.pending || event.person;
  const source = said ? `said by ${whoSaid(event)}` : "found by the software";
  if (state.session.read_only)
    return el("p", { class: "verdicts" }, el("span", { class: `verdict ${now.verdict} only` }, VERDICTS[now.verdict]), el("span", { class: "source" }, source));
  const button = name => el("button", {
    class: `verdict ${name} ${now.pending && now.verdict === name ? "pending" : ""} ${!said && now.verdict === name ? "found" : ""}`,
    "aria-pressed": String(said && now.verdict === name), title: now.verdict === name ? capital(source) : "", onclick: () => judge(name),
  }, el("kbd", {}, KEYS[name]), VERDICTS[name]);
  return el("div", { class: "verdicts" }, Object.keys(KEYS).map(button),
    el("div", { class: "more" }, el("span", { class: "source" }, source), now.verdict === "abnormal" ? kinds(now) : null, more ? reason() : null, more ? onward() : null));
}

function kinds(now) {
  const select = el("select", { "aria-label": "Kind of abnormal mitosis", onchange: e => judge("abnormal", e.target.value) },
    el("option", { value: "" }, "which kind?"), Object.entries(SUBTYPES).map(([value, words]) => el("option", { value }, words)));
  select.value = now.subtype in SUBTYPES ? now.subtype : "";
  return select;
}

/** Who said the verdict that an event has. */
function whoSaid(event) {
  const about = line => (line.what === "verdict" ? line.event.mother : line.nucleus);
  const frameOf = line => (line.what === "verdict" ? line.event.frame : line.nucleus.frame);
  const cells = [event.mother, ...event.daughters];
  return state.corrections.lines.filter(line => line.standing && ["verdict", "mitosis"].includes(line.what)
    && Math.abs(frameOf(line) - event.frame) <= 3 && cells.includes(cellAt(about(line)))).at(-1)?.who ?? "a person";
}

/** Says that what is at hand is right: an item about a cell, or else the event. */
export function nothingToCorrect() {
  const { what, line } = atHand();
  if (!line || state.session.read_only) return null;
  return el("button", { class: "right", onclick: () => right(), title: `${what}: you looked, and nothing is to be corrected` }, "looks right ", el("kbd", {}, "g"));
}

/** What "right" is about, and the line that says so; of a mitosis it is the verdict that it has. */
function atHand() {
  const event = eventAtHand();
  const item = event ? null : ofCell();
  if (item) return { what: capital(item.words), line: { what: "right", nucleus: { frame: item.frame, y_px: item.y_px, x_px: item.x_px } } };
  if (!event?.ref) return {};
  const what = `${capital(event.event_type)} at ${hours(event.time_min)} h`;
  if (event.event_type !== "mitosis") return { what, line: { what: "right", nucleus: event.ref.mother } };
  const { verdict, subtype } = verdictOf(event);
  const kind = verdict === "abnormal" && subtype in SUBTYPES ? { subtype } : {};
  return { what: `${what}, ${VERDICTS[verdict]}`, line: { what: "verdict", event: event.ref, verdict, ...kind } };
}

/** Somebody looked, and nothing is to be corrected. */
export async function right() {
  const { what, line } = atHand();
  if (!line) return notify("Nothing is at hand to be right: n goes to the next item.", true);
  await conclude(line, `${what}: right. Saved.`);
}

/** A verdict on the mitosis at hand. */
export async function judge(verdict, subtype = "") {
  const event = eventAtHand();
  if (event?.event_type !== "mitosis") return notify(noMitosis(event), true);
  const line = { what: "verdict", event: event.ref, verdict, ...(subtype ? { subtype } : {}) };
  await conclude(line, `Cell ${event.mother}, ${hours(event.time_min)} h: ${VERDICTS[verdict]}. Saved.`);
}

function noMitosis(event) {
  if (event || ofCell()) return "1 2 3 0 are verdicts on a mitosis, and this is none: g says that it is right.";
  return "1 2 3 0 are verdicts on a mitosis: click the cell that divides near that time, or press n.";
}

async function conclude(line, words) {
  if (!(await say(line, why))) return;
  why = "";
  notify(words);
  if (goesOn()) step(1);
}

const reason = () => el("input", {
  class: "why", placeholder: "why?", title: "Why: optional, kept with the next verdict", maxlength: 500, value: why, "aria-label": "Why, for the next correction", oninput: e => { why = e.target.value; },
});

export function onward() {
  const box = el("input", { type: "checkbox", class: "goes-on", checked: goesOn(), onchange: e => {
    remember("onward", String(e.target.checked));
    set({ onward: e.target.checked });
  } });
  return el("label", { class: "onward", title: "After a verdict, or when an item is right, the next item opens by itself" }, box, "go on after a verdict");
}

const goesOn = () => remembered("onward", "true") === "true";

/** The frame that the loop is played around: of the event, the item, or what is selected. */
export const middle = () => (eventAtHand() ?? ofCell() ?? state.selected?.place)?.frame ?? null;
