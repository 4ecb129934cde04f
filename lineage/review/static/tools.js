// The tools that correct tracks and outlines: what each takes, what it asks for next, and the line that it says.

import { post } from "./api.js";
import { forgetOutlines } from "./frames.js";
import { say } from "./said.js";
import { failed, notify, set, state } from "./store.js";

const at = i => state.lineage.place(i);
const cellOf = i => state.lineage.cell[i];
const parentOf = i => state.lineage.cells.get(cellOf(i))?.parents[0];
const frameOf = i => state.lineage.frame[i];

/** The last nucleus of the cell that divides, whether she or a daughter was clicked; -1 if neither divides. */
function dividing(i) {
  const { lineage } = state;
  const divides = cell => (lineage.cells.get(cell)?.daughters.length ?? 0) > 1;
  const mother = [cellOf(i), parentOf(i)].find(divides);
  return mother === undefined ? -1 : lineage.last(mother);
}

/** The nucleus that this one is said to be the same as, one step earlier; -1 if it is the first of its line. */
function before(i) {
  const track = state.lineage.of(cellOf(i));
  const k = track.indexOf(i);
  if (k > 0) return track[k - 1];
  const parent = parentOf(i);
  return parent === undefined ? -1 : state.lineage.last(parent);
}

const later = (picks, i) => frameOf(i) > Math.max(...picks.map(frameOf)) || "go forward first: this must be later";
const sameFrame = (picks, i) => frameOf(i) === frameOf(picks[0]) || "these must lie in one frame";

const marked = does => `Enter, or a click on it: ${does}. Or click another.`;

// takes: what a click gives; needs: how many picks Enter wants; most: how many there can be (then it is said at once);
// forward: after how many picks the movie goes one frame on; alone: whether the selected nucleus is taken at the start.
export const TOOLS = [
  {
    id: "division", key: "y", name: "Division", group: "tracks", takes: "nuclei", needs: 3, most: 5, forward: 1, alone: true,
    hint: n => (n === 0 ? "Click the mother's last nucleus."
      : n < 3 ? "Go forward and click her daughters, two to four." : "Click another daughter, or Enter."),
    allows: (picks, i) => !picks.length || later([picks[0]], i),
    line: ([mother, ...daughters]) => ({ what: "division", mother: at(mother), daughters: daughters.map(at) }),
    icon: ["M8 1v7M8 8l-5 6M8 8l5 6"],
  },
  {
    id: "no_division", key: "Y", name: "No division", group: "tracks", takes: "nuclei", needs: 1, most: 1, alone: true,
    hint: n => (n ? marked("this division is none") : "Click the mother or one of her daughters."),
    allows: (_, i) => dividing(i) >= 0 || "this cell neither divides nor comes from a division",
    line: ([i]) => ({ what: "no_division", mother: at(dividing(i)) }),
    icon: ["M8 1v7M8 8l-5 6M8 8l5 6", "M3 3l10 9"],
  },
  {
    id: "cut", key: "x", name: "Cut track", group: "tracks", takes: "nuclei", needs: 1, most: 1, alone: true,
    hint: n => (n ? marked("cut before this nucleus") : "Click the first nucleus that is another cell."),
    allows: (_, i) => before(i) >= 0 || "nothing comes before this nucleus",
    line: ([i]) => ({ what: "cut", before: at(before(i)), after: at(i) }),
    icon: ["M8 1v4M8 11v4", "M4 6l8 4M12 6l-8 4"],
  },
  {
    id: "join", key: "j", name: "Join tracks", group: "tracks", takes: "nuclei", needs: 2, most: 2, forward: 1, alone: true,
    hint: n => (n ? "Go to where it is seen again, and click it." : "Click the last nucleus of the first piece."),
    allows: (picks, i) => !picks.length || (cellOf(i) >= 0 && cellOf(i) === cellOf(picks[0]) ? "these are one cell already" : later(picks, i)),
    line: ([first, second]) => ({ what: "join", before: at(first), after: at(second) }),
    icon: ["M8 1v5M8 10v5", "M8 6a2 2 0 1 0 .01 0M6 8h4"],
  },
  {
    id: "fusion", key: "v", name: "Fusion", group: "tracks", takes: "nuclei", needs: 3, most: 3, forward: 2, alone: false,
    hint: n => ["Click the first of the two cells.", "Click the second.", "Go forward and click the fused cell."][n],
    allows: (picks, i) => picks.length < 2 || later(picks, i),
    line: ([one, other, fused]) => ({ what: "fusion", parents: [at(one), at(other)], fused: at(fused) }),
    icon: ["M8 15V8M3 1l5 7M13 1L8 8"],
  },
  {
    id: "death", key: "k", name: "Dies here", group: "tracks", takes: "nuclei", needs: 1, most: 1, alone: true,
    hint: n => (n ? marked("this is its last nucleus") : "Click the last nucleus of the cell."),
    line: ([i]) => ({ what: "death", nucleus: at(i) }),
    icon: ["M8 1v7M5 9l6 6M11 9l-6 6"],
  },
  {
    id: "no_death", key: "K", name: "Does not die", group: "tracks", takes: "nuclei", needs: 1, most: 1, alone: true,
    hint: n => (n ? marked("this cell does not die") : "Click a nucleus of the cell."),
    line: ([i]) => ({ what: "no_death", nucleus: at(i) }),
    icon: ["M8 1v13", "M4 10l4 4 4-4"],
  },
  {
    id: "mitosis", key: "m", name: "Mitosis here", group: "tracks", takes: "nuclei", needs: 1, most: 1, alone: true,
    hint: n => (n ? "1 normal, 2 abnormal; Enter or a click on it: undecided. Or click another." : "Click the nucleus in mitosis."),
    line: ([i], { verdict = "undecided" }) => ({ what: "mitosis", nucleus: at(i), verdict }),
    icon: ["M8 1a7 7 0 1 0 .01 0", "M5 8h6M6.5 6v4M9.5 6v4"],
  },
  {
    id: "false_nuclei", key: "r", name: "False nucleus", group: "outlines", takes: "nuclei", needs: 1, most: 1, alone: true,
    hint: n => (n ? `${marked("remove it")} With Shift: its whole track.` : "Click what is no nucleus."),
    line: ([i], { all }) => ({ what: "false_nuclei", nuclei: (all ? whole(i) : [i]).map(at) }),
    icon: ["M8 2a6 6 0 1 0 .01 0", "M5.5 5.5l5 5M10.5 5.5l-5 5"],
  },
  {
    id: "merge_outlines", key: "S", name: "Merge outlines", group: "outlines", takes: "nuclei", needs: 2, most: 8, alone: true,
    hint: n => (n < 2 ? "Click the pieces of one nucleus." : "Click another piece, or Enter."),
    allows: (picks, i) => !picks.length || sameFrame(picks, i),
    line: picks => ({ what: "merge_outlines", nuclei: picks.map(at) }),
    icon: ["M6 4a4 4 0 1 0 .01 0", "M10 4a4 4 0 1 0 .01 0"],
  },
  {
    id: "split_outline", key: "s", name: "Split outline", group: "outlines", takes: "line", needs: 2, most: 2,
    hint: () => "Drag a line through the nucleus, between its two halves.",
    line: points => ({ what: "split_outline", nucleus: at(under(points)), line: points.map(([y, x]) => [y, x]) }),
    refuses: points => (under(points) < 0 ? "the line crosses no nucleus" : ""),
    icon: ["M8 3a5 5 0 1 0 .01 0", "M8 1v14"],
  },
  {
    id: "draw_outline", key: "w", name: "Draw outline", group: "outlines", takes: "points", needs: 3, most: 500,
    hint: n => (n < 3 ? "Click points around the nucleus; Backspace takes the last one back." : "Click on, or Enter to close it."),
    line: (points, { frame }) => ({ what: "draw_outline", frame, polygon: points }),
    icon: ["M3 6l4-4 6 3 1 6-6 3-5-3z"],
  },
  {
    id: "candidate", key: "a", name: "Network's outline", group: "outlines", takes: "candidate", needs: 3, most: 500,
    hint: n => (n ? "Enter takes the network's outline. Or click another place." : "Click a nucleus that has no outline."),
    line: (points, { frame }) => ({ what: "draw_outline", frame, polygon: points }),
    icon: ["M8 2a6 6 0 0 1 5 3M14 8a6 6 0 0 1-3 5M8 14a6 6 0 0 1-5-3M2 8a6 6 0 0 1 3-5", "M8 6v4M6 8h4"],
  },
];

const whole = i => (cellOf(i) < 0 ? [i] : state.lineage.of(cellOf(i)).slice(0, 2000));

function under(points) {
  const middle = k => (points[0][k] + points.at(-1)[k]) / 2;
  return state.lineage.near(state.frame, middle(0), middle(1), 1.3);
}

/** Begin with a tool; a second time leaves it. */
export function start(id) {
  if (state.session.read_only) return;
  if (state.edit?.tool.id === id) return leave();
  const tool = TOOLS.find(t => t.id === id);
  set({ edit: { tool, picks: [], frame: state.frame }, playing: false });
  const { selected } = state;
  const i = tool.alone && selected ? ofSelection() : -1;
  if (i >= 0 && (tool.allows?.([], i) ?? true) === true) pick(i, {}, false);
}

export function leave() {
  set({ edit: null });
}

/** The nucleus of the selected cell in this frame; -1 if it is not seen in it. */
export function ofSelection() {
  const { selected, lineage, frame } = state;
  if (!selected) return -1;
  if (selected.cell >= 0) return lineage.inFrame(selected.cell, frame);
  return selected.place.frame === frame ? lineage.near(frame, selected.place.y_px, selected.place.x_px) : -1;
}

/**
 * Take a nucleus. Where a tool takes one, a click marks it, and Enter or a click on the marked one says it; where it takes
 * several, it is said at once when no more can come (`byHand`).
 */
export function pick(i, extra = {}, byHand = true) {
  const { tool, picks } = state.edit;
  if (byHand && tool.most === 1 && picks[0] === i) return finish(extra);
  const taken = tool.most === 1 ? [] : picks;
  if (taken.includes(i)) return set({ edit: { ...state.edit, picks: taken.filter(p => p !== i) } });
  const allowed = tool.allows?.(taken, i) ?? true;
  if (allowed !== true) return notify(`${tool.name}: ${allowed}.`, true);
  const next = [...taken, i];
  set({ edit: { ...state.edit, picks: next } });
  if (byHand && tool.most > 1 && next.length >= tool.most) return finish(extra);
  if (next.length === tool.forward && state.frame + 1 < state.movie.n_frames) set({ frame: state.frame + 1 });
}

/** Take a point of the picture, [y, x]. */
export async function point(y, x) {
  const { tool, picks } = state.edit;
  if (tool.takes === "candidate") return candidate(y, x);
  const at = picks.length ? state.edit.frame : state.frame;
  set({ edit: { ...state.edit, frame: at, picks: [...picks, [round(y), round(x)]] } });
}

/** A line that was dragged, [y, x] to [y, x]. */
export function line(from, to) {
  set({ edit: { ...state.edit, frame: state.frame, picks: [from, to].map(p => p.map(round)) } });
  return finish({});
}

async function candidate(y, x) {
  const frame = state.frame;
  set({ edit: { ...state.edit, frame, picks: [], asking: true } });
  try {
    const answer = await post(`movies/${state.m}/candidate`, { frame, y_px: y, x_px: x });
    if (state.edit?.tool.id !== "candidate" || state.frame !== frame) return;
    if (!answer.polygon) notify("The network sees no nucleus there: draw it (w).", true);
    else notify(`The network's outline; probability ${answer.probability.toFixed(2)}. Enter takes it.`);
    set({ edit: { ...state.edit, frame, picks: answer.polygon ?? [], asking: false } });
  } catch (error) {
    failed(error);
    if (state.edit) set({ edit: { ...state.edit, asking: false } });
  }
}

export function takeBack() {
  if (state.edit?.picks.length) set({ edit: { ...state.edit, picks: state.edit.picks.slice(0, -1) } });
}

/** Say what was taken, if it is enough. */
export async function finish(extra) {
  const { edit } = state;
  const { tool, picks, frame } = edit;
  if (edit.asking) return notify(`${tool.name}: the network still looks. Enter takes its outline once it is there.`);
  if (picks.length < tool.needs) return notify(`${tool.name}: ${tool.hint(picks.length)}`);
  const refused = tool.refuses?.(picks);
  if (refused) {
    set({ edit: { ...edit, picks: [] } });
    return notify(`${tool.name}: ${refused}.`, true);
  }
  set({ edit: null });
  if (await say(tool.line(picks, { frame, ...extra }))) notify(`${tool.name}: saved.`);
  else if (!state.edit) set({ edit });
  if (tool.group === "outlines") forgetOutlines();
}

const round = value => Math.round(100 * value) / 100;
