// What was said of this movie, the newest first: by whom, whether the results hold it, and undo.

import { byId, el, onceAFrame } from "./dom.js";
import { goToPlace, inWords } from "./find.js";
import { corrections, isCorrection, isPending, notApplied, redo, steps, undo } from "./said.js";
import { longList } from "./lists.js";
import { on, state } from "./store.js";
import { capital, count, placesOf } from "./words.js";

let list, summary, buttons;

export function mount() {
  list = longList(50, row);
  summary = el("p", { class: "left soft" });
  buttons = el("div", { class: "buttons" });
  byId("panel-corrections").append(buttons, summary, list.element);
  on(["corrections", "movie", "who", "session", "progress", "lineage"], onceAFrame(draw));
}

function draw() {
  if (!state.movie || !state.lineage) return;
  const { lines, unreadable } = state.corrections;
  const said = lines.filter(line => line.what !== "undo").reverse();
  const standing = said.filter(line => line.standing);
  const refused = notApplied().reverse();
  const n = corrections().length;
  const parts = [count(n, "correction"), n < standing.length ? `${standing.length - n} looked at and right` : "", refused.length ? `${refused.length} not applied` : "",
    unreadable.length ? `${count(unreadable.length, "line")} of the file cannot be read` : ""];
  summary.textContent = said.length ? parts.filter(Boolean).join(", ") : "Nothing was corrected yet.";
  const next = steps();
  buttons.replaceChildren(...(state.session.read_only ? [] : [
    el("button", { onclick: () => undo(), disabled: !next.undo }, "Undo ", el("kbd", {}, "u")),
    el("button", { onclick: () => redo(), disabled: !next.redo }, "Redo ", el("kbd", {}, "Shift+U")),
  ]));
  list.show([...refused, ...said.filter(line => !refused.includes(line))]);
}

function row(line) {
  const when = new Date(line.at);
  const by = [line.who, Number.isNaN(when.valueOf()) ? "" : when.toLocaleString([], { dateStyle: "short", timeStyle: "short" }), line.why];
  return el("div", { class: `said ${line.standing ? "" : "undone"}` },
    el("button", { class: "item", type: "button", onclick: () => goToPlace(placesOf(line)[0]), title: "Go there" },
      el("span", { class: "what" }, el("b", {}, capital(inWords(line))),
        line.not_applied && line.standing ? el("small", { class: "bad", title: line.not_applied }, line.not_applied) : el("small", {}, by.filter(Boolean).join(" · ")))),
    el("span", { class: `mark ${stateOf(line).replaceAll(" ", "-")}` }, stateOf(line)),
    line.standing && !state.session.read_only ? el("button", { class: "quiet", onclick: () => undo(line), title: "Undo this one" }, "undo") : null);
}

function stateOf(line) {
  if (!line.standing) return "undone";
  if (line.not_applied) return "not applied";
  if (line.overruled) return "overruled"; // by a later one
  if (!isCorrection(line)) return "noted";
  return isPending(line) ? "pending" : "applied";
}
