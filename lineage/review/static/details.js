// The selected cell: where it comes from and goes, its event with the film and the verdict, and its row of the table.

import { getPicture } from "./api.js";
import { byId, el, onceAFrame } from "./dom.js";
import { goToCell, goToEvent } from "./find.js";
import { say, verdictOf } from "./said.js";
import { notify, on, remember, remembered, state } from "./store.js";
import { FATES, SUBTYPES, VERDICTS, capital, hours, ofEvent, plain } from "./words.js";
import { ofCell, step } from "./worklist.js";

const KEYS = { normal: "1", abnormal: "2", not_a_mitosis: "3", undecided: "0" };
const ROWS = [["first_frame", "first frame"], ["last_frame", "last frame"], ["generation", "generation"],
  ["founder_id", "founder"], ["dna_mass", "DNA mass"], ["area_um2", "area, µm²"], ["n_slippages", "slippages"]];
const OF_EVENT = [["p_abnormal", "classifier: abnormal"],
  ["p_none", "classifier: no mitosis"], ["confidence", "confidence of the tracking, log-odds"], ["n_poles", "poles"],
  ["n_micronuclei", "micronuclei"], ["bridge", "bridge"], ["refusion_after_min", "reunited after, min"], ["flags", "flags"]];

let films = new Map(); // event -> its film, or null where there is none
let why = "";

export function mount() {
  const refresh = onceAFrame(draw);
  on(["selected", "eventId", "lineage", "corrections", "item", "worklist"], refresh);
  on(["lineage", "m"], () => { films = new Map(); });
}

function draw() {
  const panel = byId("panel-cell");
  if (panel.contains(document.activeElement) && document.activeElement.id === "why") return;
  const { lineage, selected, eventId } = state;
  const event = lineage?.eventById.get(eventId) ?? null;
  const cell = lineage?.cells.get(selected?.cell) ?? null;
  if (!cell && !event) {
    const words = selected ? "This nucleus is in no cell." : "Select a cell: click a nucleus in the movie, a life in the tree, or press n.";
    return panel.replaceChildren(el("p", { class: "empty" }, words));
  }
  panel.replaceChildren(...[cell && heading(cell), event && ofThe(event, cell), cell && table(cell, event)].filter(Boolean));
}

function heading(cell) {
  const chip = id => el("button", { class: "chip", onclick: () => goToCell(id, state.frame) }, String(id));
  const chips = (words, ids) => (ids.length ? [el("span", { class: "soft" }, words), ...ids.map(chip)] : []);
  const end = cell.fate === "end_of_movie" ? FATES.end_of_movie : `${FATES[cell.fate] ?? plain(cell.fate)} at ${hours(cell.end_min)} h`;
  return el("section", { class: "cell-head" },
    el("div", { class: "title" }, el("h2", {}, `Cell ${cell.tracklet_id}`), nothingToCorrect()),
    el("p", {}, `${cell.parents.length ? "born" : "first seen"} at ${hours(cell.birth_min)} h, ${end}`),
    el("p", { class: "chips" }, ...chips("from", cell.parents), ...chips(cell.fate === "fused" ? "becomes" : "daughters", cell.daughters)));
}

// The event

function ofThe(event, cell) {
  const isOther = cell && event.mother !== cell.tracklet_id;
  const words = `${ofEvent(event)} at ${hours(event.time_min)} h${isOther ? `, of cell ${event.mother}` : ""}`;
  return el("section", { class: "event" },
    el("h3", {}, el("button", { class: "link", onclick: () => goToEvent(event) }, capital(words))),
    event.event_type === "mitosis" ? verdicts(event) : null,
    film(event),
    event.words ? el("p", { class: "soft" }, capital(event.words)) : null);
}

function verdicts(event) {
  const now = verdictOf(event);
  const button = name => el("button", {
    class: `verdict ${name} ${now.pending && now.verdict === name ? "pending" : ""}`, "aria-pressed": String(now.verdict === name),
    disabled: state.session.read_only, onclick: () => judge(name),
  }, el("kbd", {}, KEYS[name]), VERDICTS[name]);
  const kinds = el("select", { "aria-label": "Kind of abnormal mitosis", disabled: state.session.read_only, onchange: e => judge("abnormal", e.target.value) },
    el("option", { value: "" }, "which kind?"), Object.entries(SUBTYPES).map(([value, words]) => el("option", { value }, words)));
  kinds.value = now.subtype in SUBTYPES ? now.subtype : "";
  return el("div", { class: "verdicts" }, Object.keys(KEYS).map(button),
    state.session.read_only ? null : el("div", { class: "more" }, now.verdict === "abnormal" ? kinds : null, reason(), onward()));
}

/** Says that what is at hand is right: an item about a cell, or else the event. */
function nothingToCorrect() {
  const { what, line } = atHand();
  if (!line || state.session.read_only) return null;
  return el("button", { class: "right", onclick: () => right(), title: `${what}: you looked, and nothing is to be corrected` }, "looks right ", el("kbd", {}, "g"));
}

/** What "right" is about, and the line that says so; of a mitosis it is the verdict that it has. */
function atHand() {
  const item = ofCell();
  if (item) return { what: capital(item.words), line: { what: "right", nucleus: { frame: item.frame, y_px: item.y_px, x_px: item.x_px } } };
  const event = state.lineage?.eventById.get(state.eventId);
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
  if (!(await say(line, why))) return;
  why = "";
  notify(`${what}: right. Saved.`);
  if (goesOn()) step(1);
}

const reason = () => el("input", {
  id: "why", placeholder: "why (optional)", maxlength: 500, value: why, "aria-label": "Why, for the next correction", oninput: e => { why = e.target.value; },
});

function onward() {
  const box = el("input", { type: "checkbox", checked: goesOn(), onchange: e => remember("onward", String(e.target.checked)) });
  return el("label", { class: "onward", title: "After a verdict, or when an item is right, go to the next one by itself" }, box, "go on by itself");
}

const goesOn = () => remembered("onward", "false") === "true";

/** A verdict on the event at hand. */
export async function judge(verdict, subtype = "") {
  const event = state.lineage?.eventById.get(state.eventId);
  if (!event) return notify("Select a mitosis first: n goes to the next one.", true);
  if (event.event_type !== "mitosis") return notify(`This is a ${event.event_type}; verdicts are for mitoses.`, true);
  const line = { what: "verdict", event: event.ref, verdict, ...(subtype ? { subtype } : {}) };
  if (!(await say(line, why))) return;
  why = "";
  notify(`Cell ${event.mother}, ${hours(event.time_min)} h: ${VERDICTS[verdict]}. Saved.`);
  if (goesOn()) step(1);
}

/** The film strip, drawn on a canvas once it is there. */
function film(event) {
  if (!event.has_crop) return null;
  const canvas = el("canvas", { role: "img", "aria-label": `Film of event ${event.event_id}` });
  const strip = el("div", { class: "film", title: "Click: larger or smaller", onclick: () => strip.classList.toggle("large") }, canvas);
  const show = picture => {
    if (!picture) return strip.remove();
    [canvas.width, canvas.height] = [picture.width, picture.height];
    canvas.getContext("2d").drawImage(picture, 0, 0);
  };
  const known = films.get(event.event_id);
  if (known !== undefined) show(known);
  else
    getPicture(`movies/${state.m}/film/${event.event_id}.png`).catch(() => null).then(picture => {
      films.set(event.event_id, picture);
      show(picture);
    });
  return strip;
}

// The table

function table(cell, event) {
  const rows = [...ROWS.map(([key, words]) => [words, cell[key]]), ...(event ? OF_EVENT.map(([key, words]) => [words, event[key]]) : [])];
  const given = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("table", {}, el("tbody", {}, given.map(([words, value]) =>
    el("tr", {}, el("th", {}, words), el("td", {}, shown(value))))));
}

function shown(value) {
  if (typeof value === "number" && !Number.isInteger(value)) return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
  return typeof value === "string" ? plain(value) : String(value);
}
