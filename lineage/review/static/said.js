// What was said of the movie: lines added, undone and redone, and which of them the results do not hold yet.

import { getJson, post } from "./api.js";
import { goToPlace, inWords } from "./find.js";
import { failed, notify, set, state } from "./store.js";
import { placesOf } from "./words.js";

let settled = new Set(); // ids of lines that the results hold

let before = Promise.resolve(); // all that was said so far: lines are written in the order of the keys

/** Add a line. Gives whether it was taken. */
export function say(line, why = "") {
  before = before.then(() => send(line, why));
  return before;
}

async function send(line, why) {
  if (state.session.read_only) {
    notify("This server only shows: corrections are switched off.", true);
    return false;
  }
  const m = state.m;
  try {
    const answer = await post(`movies/${m}/corrections`, { say: line, who: state.who, why });
    if (state.m === m) added(answer);
    count(m);
    return true;
  } catch (error) {
    failed(error, "Not saved");
    return false;
  }
}

function added({ id, line }) {
  const lines = state.corrections.lines.filter(known => known.id !== id);
  const fresh = { standing: true, not_applied: null, ...line, id };
  set({ corrections: { ...state.corrections, lines: standing([...lines, fresh]) } });
}

/** What is left and done follows at once; where it does not, the next look at the server brings it. */
async function count(m) {
  const results = state.progress?.results;
  const worklist = await getJson(`movies/${m}/worklist`).catch(() => null);
  if (worklist && state.m === m && state.progress?.results === results) set({ worklist });
}

/** Which lines stand after an undo: the same rule as the server's. */
function standing(lines) {
  const undone = new Set();
  for (const line of [...lines].reverse()) if (line.what === "undo" && !undone.has(line.id)) undone.add(line.line);
  return lines.map(line => ({ ...line, standing: !undone.has(line.id) }));
}

/** Read them again; those known when the results were whole are settled. */
export async function reread() {
  const m = state.m;
  const answer = await getJson(`movies/${m}/corrections`);
  if (state.m !== m) return;
  const known = new Set(notApplied().map(line => line.id));
  const isFirst = !state.corrections.lines.length;
  set({ corrections: { ...answer, lines: standing(answer.lines) } });
  settle();
  const news = notApplied().filter(line => !known.has(line.id));
  if (news.length && !isFirst) notify(`Not applied: ${news.at(-1).not_applied}.`, true);
}

/** The results hold all that is said. */
export function settle() {
  const { progress, corrections } = state;
  if (!progress || progress.working || progress.holds !== progress.applied) return;
  if (progress.lines > corrections.lines.length) return;
  const n = settled.size;
  settled = new Set(corrections.lines.map(line => line.id));
  if (settled.size !== n) set({ corrections: { ...corrections } });
}

/** Whether a line is to change something: all but those that undo, or say that something is right. */
export const isCorrection = line => !["undo", "right"].includes(line.what);

const isNew = line => line.standing && line.what !== "undo" && !line.not_applied && !line.overruled && !settled.has(line.id);
export const isPending = line => isNew(line) && isCorrection(line);

/** The lines that are said and that the results do not hold yet. */
export const pending = () => state.corrections.lines.filter(isPending);

/** The same, with those that say that something is right: the work list may not know of them yet. */
export const fresh = () => state.corrections.lines.filter(isNew);

/** The lines that were undone, while the results may hold them still. */
export function takenBack() {
  const { progress, corrections } = state;
  const isWhole = progress && !progress.working && progress.holds === progress.applied && progress.lines >= corrections.lines.length;
  return isWhole ? [] : corrections.lines.filter(line => !line.standing && line.what !== "undo");
}

/** Those that the results cannot hold, with the reason. */
export const notApplied = () => state.corrections.lines.filter(line => line.standing && line.not_applied);

/** The corrections that stand. */
export const corrections = () => state.corrections.lines.filter(line => line.standing && isCorrection(line));

/** Own steps that can be undone and redone, the next one last: a function of all lines. */
export function steps() {
  const [undoable, redoable] = [[], []];
  const byId = new Map(state.corrections.lines.map(line => [line.id, line]));
  const take = (stack, id) => stack.includes(id) && stack.splice(stack.indexOf(id), 1);
  for (const line of state.corrections.lines) {
    if (line.who !== state.who) continue;
    if (line.what !== "undo") {
      undoable.push(line.id);
      redoable.length = 0;
    } else if (take(undoable, line.line)) redoable.push(line.id);
    else if (take(redoable, line.line)) undoable.push(byId.get(line.line).line);
  }
  const last = stack => byId.get(stack.filter(id => byId.get(id).standing).at(-1)) ?? null;
  return { undo: last(undoable), redo: last(redoable) };
}

export async function undo(line = null) {
  await before;
  line ??= steps().undo;
  if (!line) return notify("Nothing of yours to undo.");
  if (await say({ what: "undo", line: line.id })) told("Undone", line);
}

/** Say what was undone, and show it. */
function told(what, line) {
  notify(`${what}: ${inWords(line)}`);
  if (placesOf(line)[0]) goToPlace(placesOf(line)[0]);
}

export async function redo() {
  await before;
  const { redo: line } = steps();
  if (!line) return notify("Nothing to redo.");
  if (await say({ what: "undo", line: line.id })) told("Done again", steps().undo ?? line);
}

/** The verdict of an event as it will be, and whether the results hold it yet. */
export function verdictOf(event) {
  const line = pendingVerdicts().get(key(event.ref));
  return line
    ? { verdict: line.verdict, pending: true, subtype: line.subtype }
    : { verdict: event.verdict, pending: false, subtype: event.subtype };
}

let known = { corrections: null, verdicts: new Map() };

/** The last verdict said of each event that the results do not hold yet. */
function pendingVerdicts() {
  if (known.corrections !== state.corrections) {
    const lines = pending().filter(line => line.what === "verdict");
    known = { corrections: state.corrections, verdicts: new Map(lines.map(line => [key(line.event), line])) };
  }
  return known.verdicts;
}

const key = ref => ref && [ref.event_type, ref.frame, ref.mother.frame, ref.mother.y_px, ref.mother.x_px].join();
