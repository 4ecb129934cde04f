// What the page knows and shows: one object; who listens to a key is called when its value changes.

export const state = {
  session: null, // /api/session
  who: "",
  movies: [],
  m: null, // number of the open movie
  movie: null, // /api/movies/m
  lineage: null, // Lineage: nuclei, cells, events
  worklist: { items: [], n_left: 0, n_done: 0 },
  corrections: { lines: [], unreadable: [] },
  progress: null, // /api/movies/m/state
  offline: false,
  frame: 0,
  playing: false,
  loop: null, // { from, to, back }: frames that are played again and again, and the one to go back to
  layer: "dna", // "dna", "phase", "both", or the index of a further channel
  levels: {}, // channel -> [low, high] where they are not the movie's own
  fitted: false, // the DNA's contrast is that of the selection
  outlines: true,
  tracks: true,
  colour: "lineage", // or "verdict"
  follow: false,
  selected: null, // { cell, place: { frame, y_px, x_px } }; cell is -1 for a nucleus in no cell
  eventId: null, // of the event that a verdict would be about
  item: null, // key of the work list's item
  view: null, // the movie's zoom, once it rests
  edit: null, // the tool in use and what it has taken
  tab: "worklist",
  notice: null, // { words, bad }
};

const listeners = new Map();

/** Call `listener` once for each `set` that changes one of `keys`. */
export function on(keys, listener) {
  for (const key of [keys].flat()) listeners.set(key, [...(listeners.get(key) ?? []), listener]);
}

/** Change some values, then tell those who listen to them. */
export function set(changes) {
  const changed = Object.keys(changes).filter(key => state[key] !== changes[key]);
  Object.assign(state, changes);
  new Set(changed.flatMap(key => listeners.get(key) ?? [])).forEach(listener => listener());
}

/** One line about what just happened. */
export function notify(words, bad = false) {
  set({ notice: { words, bad } });
}

/** What went wrong; that the server does not answer stands in the line at the bottom, and is not said again. */
export function failed(error, what = "") {
  if (error.status === 0) set({ offline: true });
  if (error.status !== 0) notify(error.message, true);
  else if (what) notify(`${what}.`, true);
}

/** A choice of this person, kept by the browser. */
export function remembered(key, otherwise) {
  return localStorage.getItem(`review-${key}`) ?? otherwise;
}

export function remember(key, value) {
  localStorage.setItem(`review-${key}`, value);
}
