// The selected cell: where it comes from and goes, its event with the film and the verdict, and its row of the table.

import { byId, el, onceAFrame } from "./dom.js";
import { film } from "./film.js";
import { goToCell, goToEvent } from "./find.js";
import { eventAtHand, nothingToCorrect, verdicts } from "./judge.js";
import { on, state } from "./store.js";
import { capital, hours, ofEvent, ofFate, plain } from "./words.js";

const ROWS = [["first_frame", "first frame"], ["last_frame", "last frame"], ["generation", "generation"],
  ["founder_id", "founder"], ["dna_mass", "DNA mass"], ["area_um2", "area, µm²"], ["n_slippages", "slippages"]];
const OF_EVENT = [["p_abnormal", "classifier: abnormal"],
  ["p_none", "classifier: no mitosis"], ["confidence", "confidence of the tracking, log-odds"], ["n_poles", "poles"],
  ["n_micronuclei", "micronuclei"], ["bridge", "bridge"], ["refusion_after_min", "reunited after, min"], ["flags", "flags"]];

export function mount() {
  const refresh = onceAFrame(draw);
  on(["selected", "eventId", "lineage", "corrections", "item", "worklist", "tab", "session"], refresh);
  on("frame", () => isFar !== (eventAtHand() === null) && refresh());
}

let isFar = true; // no event was near enough to be judged when this was drawn

function draw() {
  const panel = byId("panel-cell");
  if (state.tab !== "cell" || document.activeElement.matches("#panel-cell .why")) return;
  const { lineage, selected, eventId, frame } = state;
  const cell = lineage?.cells.get(selected?.cell) ?? null;
  const event = lineage?.eventById.get(eventId) ?? (cell && lineage.eventOf(cell.tracklet_id, frame));
  isFar = eventAtHand() === null;
  if (!cell && !event) {
    const words = selected ? "This nucleus is in no cell." : "Select a cell: click a nucleus in the movie, a life in the tree, or press n.";
    return panel.replaceChildren(el("p", { class: "empty" }, words));
  }
  panel.replaceChildren(...[cell && heading(cell), event && ofThe(event, cell), cell && table(cell, event)].filter(Boolean));
}

function heading(cell) {
  const chip = id => el("button", { class: "chip", onclick: () => goToCell(id, state.frame) }, String(id));
  const chips = (words, ids) => (ids.length ? [el("span", { class: "soft" }, words), ...ids.map(chip)] : []);
  return el("section", { class: "cell-head" },
    el("div", { class: "title" }, el("h2", {}, `Cell ${cell.tracklet_id}`), nothingToCorrect()),
    el("p", {}, `${cell.parents.length ? "born" : "first seen"} at ${hours(cell.birth_min)} h, ${ofFate(cell, state.lineage)}`),
    el("p", { class: "chips" }, ...chips("from", cell.parents), ...chips(cell.fate === "fused" ? "becomes" : "daughters", cell.daughters)));
}

// The event

function ofThe(event, cell) {
  const isOther = cell && event.mother !== cell.tracklet_id;
  const words = `${ofEvent(event)} at ${hours(event.time_min)} h${isOther ? `, of cell ${event.mother}` : ""}`;
  const isAtHand = eventAtHand() === event;
  return el("section", { class: "event" },
    el("h3", {}, el("button", { class: "link", title: "Go there", onclick: () => goToEvent(event) }, capital(words)), isAtHand ? null : el("span", { class: "soft" }, "click to judge it")),
    event.event_type === "mitosis" && isAtHand ? verdicts(event, true) : null,
    film(event, "cell", true),
    event.words ? el("p", { class: "soft" }, capital(event.words)) : null);
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
