// The keyboard: every key, what it does, and the sheet that lists them.

import * as contrast from "./contrast.js";
import { redo, undo } from "./said.js";
import { byId, el } from "./dom.js";
import { goToCell, selectNucleus } from "./find.js";
import { judge, middle, right } from "./judge.js";
import { fit, zoomBy } from "./movie.js";
import { notify, set, state } from "./store.js";
import * as tools from "./tools.js";
import { colour, furtherChannel, levels, setLayer, toggle } from "./toolbar.js";
import { goTo, playAround, togglePlay } from "./transport.js";
import { find, step } from "./worklist.js";

const TABS = ["worklist", "cell", "corrections"];
const verdict = name => () => (state.edit?.tool.id === "mitosis" && state.edit.picks.length
  ? tools.finish({ verdict: name }) : judge(name));
const move = by => () => goTo(state.frame + by);

const GROUPS = [
  ["Time", [
    [["Space"], "play, stop", togglePlay], [["l"], "play the event in a loop, an hour before and after", () => playAround(middle())],
    [["ArrowRight"], "one frame on", move(1)], [["ArrowLeft"], "one frame back", move(-1)],
    [["Shift+ArrowRight"], "ten frames on", move(10)], [["Shift+ArrowLeft"], "ten frames back", move(-10)],
    [["Home"], "first frame", () => goTo(0)], [["End"], "last frame", () => goTo(state.movie.n_frames - 1)],
  ]],
  ["Work list and verdicts", [
    [["n"], "next item", () => step(1)], [["p"], "the one before", () => step(-1)],
    [["1"], "normal", verdict("normal")], [["2"], "abnormal", verdict("abnormal")],
    [["3"], "not a mitosis", verdict("not_a_mitosis")], [["0"], "undecided", verdict("undecided")],
    [["g"], "looks right: nothing to correct", right],
    [["Enter"], "next item; in a tool: done", () => (state.edit ? tools.finish({}) : step(1))],
    [["u", "Ctrl+z"], "undo", () => undo()], [["Shift+U", "Ctrl+y", "Ctrl+Shift+Z"], "redo", redo],
    [["/"], "filter the list", find], [["q"], "next tab", () => set({ tab: TABS[(TABS.indexOf(state.tab) + 1) % 3] })],
  ]],
  ["Cells", [
    [["ArrowUp"], "to the mother", () => relative("parents", 0)], [["ArrowDown"], "to the first daughter", () => relative("daughters", 0)],
    [["Shift+ArrowDown"], "to the second daughter", () => relative("daughters", 1)],
    [["."], "next cell of this frame", () => neighbour(1)], [[","], "the one before", () => neighbour(-1)],
    [["i"], "in a tool: take the selected cell", take],
  ]],
  ["View", [
    [["d"], "DNA", () => setLayer("dna")], [["f"], "phase contrast", () => setLayer("phase")], [["b"], "both", () => setLayer("both")],
    [["Shift+D"], "further channels", furtherChannel],
    [["o"], "outlines", () => toggle("outlines")], [["t"], "tracks", () => toggle("tracks")],
    [["c"], "colour by lineage or verdict", colour], [["h"], "keep the selected cell in the middle", () => toggle("follow")],
    [["e"], "contrast", levels], [["Shift+E"], "contrast of the selection, and back", contrast.toggle],
    [["+", "="], "nearer", () => zoomBy(1.4)], [["-"], "farther", () => zoomBy(1 / 1.4)], [["z"], "all of the field", fit],
  ]],
  ["Tools", [
    ...tools.TOOLS.map(t => [[t.key === t.key.toUpperCase() ? `Shift+${t.key}` : t.key], t.name.toLowerCase(), () => tools.start(t.id)]),
    [["Shift+Enter"], "false nucleus: all of its track", () => state.edit && tools.finish({ all: true })],
    [["Backspace"], "take the last click back", () => tools.takeBack()],
    [["Escape"], "leave the tool; select nothing", escape],
  ]],
  ["Help", [[["?"], "this sheet", () => byId("help").showModal()]]],
];
const ACTIONS = new Map(GROUPS.flatMap(([, keys]) => keys.flatMap(([names, , act]) => names.map(name => [name, act]))));
const SHOWN = { ArrowRight: "→", ArrowLeft: "←", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc" };

export function mount() {
  document.addEventListener("keydown", pressed);
  document.addEventListener("mousedown", keepFocus);
  document.addEventListener("change", event => event.target.matches("select") && event.target.blur());
  byId("help-button").addEventListener("click", () => byId("help").showModal());
  sheet();
}

/** A button that the mouse presses does not get the keyboard: Space and Enter stay what they are. */
function keepFocus(event) {
  if (!event.target.closest("button") || event.target.closest("dialog")) return;
  event.preventDefault();
  document.activeElement?.blur();
}

function pressed(event) {
  const { target, key } = event;
  if (document.querySelector("dialog[open]")) return;
  if (target.matches("input:not([type=range], [type=checkbox]), select")) {
    if (key === "Escape" || key === "Enter") target.blur();
    return;
  }
  if (target.matches("button, [type=checkbox]") && (key === "Enter" || key === " ")) return; // it was reached by Tab
  if (target.closest("#levels") && /^(Arrow|Home|End)/.test(key)) return;
  const action = state.movie && ACTIONS.get(nameOf(event));
  if (!action) return;
  event.preventDefault();
  action();
}

/** "n", "Shift+U", "Ctrl+z", "Shift+ArrowLeft", "?": signs that need Shift are named by themselves. */
function nameOf({ key, shiftKey, ctrlKey, metaKey, altKey }) {
  if (altKey && !ctrlKey) return "";
  const name = key === " " ? "Space" : key;
  const isSign = name.length === 1 && name.toLowerCase() === name.toUpperCase();
  return `${(ctrlKey || metaKey) && !isSign ? "Ctrl+" : ""}${shiftKey && !isSign ? "Shift+" : ""}${name}`;
}

function escape() {
  if (state.edit) return tools.leave();
  if (!byId("levels").hidden) return levels();
  set({ selected: null, eventId: null });
}

function relative(which, k) {
  const cell = state.lineage.cells.get(state.selected?.cell);
  const other = cell?.[which][Math.min(k, cell[which].length - 1)];
  if (other === undefined) return notify(cell ? `Cell ${cell.tracklet_id} has no ${which === "parents" ? "mother" : "daughters"} here.` : "Select a cell first.");
  goToCell(other, state.frame);
}

/** The next cell by number among those of this frame. */
function neighbour(by) {
  const { lineage, frame, selected } = state;
  const [from, to] = lineage.at(frame);
  const here = d3.range(from, to).sort((a, b) => lineage.cell[a] - lineage.cell[b] || a - b);
  if (!here.length) return;
  const at = here.findIndex(i => lineage.cell[i] === selected?.cell);
  const next = here[(at < 0 ? (by > 0 ? 0 : here.length - 1) : at + by + here.length) % here.length];
  selectNucleus(next);
}

function take() {
  const i = tools.ofSelection();
  if (!state.edit || state.edit.tool.takes !== "nuclei") return;
  if (i < 0) return notify("The selected cell is not seen in this frame.", true);
  tools.pick(i);
}

function sheet() {
  const row = ([names, words]) => el("li", {},
    el("span", {}, names.map(name => el("kbd", {}, name.replace(/\w+$/, key => SHOWN[key] ?? key)))), words);
  byId("help").append(
    el("form", { method: "dialog", class: "close" }, el("button", { class: "quiet", "aria-label": "Close" }, "Esc")),
    el("h2", { id: "help-title" }, "Keys"),
    el("div", { class: "sheet" }, GROUPS.map(([title, keys]) => el("section", {}, el("h3", {}, title), el("ul", {}, keys.map(row))))),
    el("p", { class: "soft" }, "The mouse: drag moves the picture, the wheel zooms, a click selects. Every correction is written at once, "
      + "nothing is overwritten, and the results follow a few seconds later. Nothing leaves this computer."));
  byId("help").addEventListener("click", event => event.target === byId("help") && byId("help").close());
}
