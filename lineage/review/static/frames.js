// Pictures and outlines of frames: fetched, decoded, kept for a while, and fetched ahead while the movie plays.

import { getJson, getPicture } from "./api.js";
import { state } from "./store.js";

const PICTURE_BYTES = 256e6; // decoded pictures that are kept: 61 of 1024 x 1024
const AT_LEAST = 16;
const OUTLINES = 100; // frames; those of 250 nuclei take half a megabyte
const AT_ONCE = 5; // requests; a browser has six connections to one host
const AHEAD = 14; // frames

/** What was loaded last, up to a limit; `load(key, signal)` makes what is not there. */
class Kept {
  constructor(load, limit, drop = () => {}) {
    Object.assign(this, { load, limit, drop, done: new Map(), underway: new Map() });
  }

  /** What is there already, or undefined. */
  peek(key) {
    const found = this.done.get(key);
    if (found !== undefined) {
      this.done.delete(key);
      this.done.set(key, found); // the last in order is the last to go
    }
    return found;
  }

  get(key) {
    const found = this.peek(key);
    if (found !== undefined) return Promise.resolve(found);
    if (!this.underway.has(key)) this.underway.set(key, this.begin(key));
    return this.underway.get(key).result;
  }

  begin(key) {
    const stop = new AbortController();
    const entry = { stop };
    entry.result = this.load(key, stop.signal).then(
      value => this.keep(key, value, entry),
      error => {
        if (this.underway.get(key) === entry) this.underway.delete(key);
        throw error;
      });
    entry.result.catch(() => {}); // those who wait for it hear of it
    return entry;
  }

  keep(key, value, entry) {
    if (this.underway.get(key) !== entry) return value; // cleared meanwhile
    this.underway.delete(key);
    this.done.set(key, value);
    const limit = typeof this.limit === "function" ? this.limit() : this.limit;
    for (const [old, thing] of this.done) {
      if (this.done.size <= limit) break;
      this.done.delete(old);
      this.drop(thing);
    }
    return value;
  }

  /** Give up what is underway and not among `keys`. */
  giveUp(keys) {
    for (const [key, { stop }] of this.underway)
      if (!keys.has(key)) {
        this.underway.delete(key);
        stop.abort();
      }
  }

  clear() {
    this.giveUp(new Set());
    this.done.forEach(this.drop);
    this.done.clear();
  }
}

const mostPictures = () =>
  Math.max(AT_LEAST, Math.floor(PICTURE_BYTES / (4 * state.movie.shape[0] * state.movie.shape[1])));
let held = []; // the pictures on the canvas
const pictures = new Kept(
  (key, signal) => getPicture(key, { signal }), mostPictures,
  picture => held.includes(picture) || picture.close(), // its memory is freed now, not when the browser sees fit
);
const outlines = new Kept(async key => asPaths(await getJson(key)), OUTLINES);

function asPaths(answer) {
  return answer.polygons.map((polygon, k) => {
    return { label: answer.labels[k], cell: answer.cells[k], path: smooth(polygon), x: polygon[0], y: polygon[1] };
  });
}

/** A curve through the middles of the polygon's sides: the steps of pixels are no shape of the nucleus. */
function smooth(polygon) {
  const path = new Path2D();
  const n = polygon.length;
  const middle = i => [(polygon[i % n] + polygon[(i + 2) % n]) / 2, (polygon[(i + 1) % n] + polygon[(i + 3) % n]) / 2];
  path.moveTo(...middle(0));
  for (let i = 2; i <= n; i += 2) path.quadraticCurveTo(polygon[i % n], polygon[(i + 1) % n], ...middle(i));
  path.closePath();
  return path;
}

/** Channels of the layer that is shown; the first is grey, a second in colour on top. */
export function channels() {
  const role = name => state.movie.channels.find(c => c.role === name)?.index;
  const [dna, phase] = [role("nucleus"), role("phase")];
  if (state.layer === "phase") return [phase];
  if (state.layer === "both") return [phase, dna];
  return state.layer === "dna" ? [dna] : [state.layer];
}

const pictureKey = (t, channel) => {
  const levels = state.levels[channel];
  const query = levels ? `?low=${levels[0]}&high=${levels[1]}` : "";
  return `movies/${state.m}/frames/${t}/${channel}.png${query}`;
};
const outlinesKey = t => `movies/${state.m}/outlines/${t}`;
const pictureKeys = t => (state.movie.has_pixels ? channels().map(c => pictureKey(t, c)) : []);

/** The pictures of a frame, one a channel; none where the movie's pixels are not there. */
export async function picturesOf(t) {
  const found = await Promise.all(pictureKeys(t).map(key => pictures.get(key)));
  return found.every(picture => picture.width) ? found : picturesOf(t); // one went while another was awaited
}

/** These are on the canvas, and stay. */
export function hold(shown) {
  held = shown;
}

/** The outlines of a frame; undefined while they are not there, and `then` is called once they are. */
export function outlinesOf(t, then) {
  const found = outlines.peek(outlinesKey(t));
  if (found === undefined) outlines.get(outlinesKey(t)).then(then, () => {});
  return found;
}

/** Both, for playing: nothing is shown before it is whole. */
export function whole(t) {
  return Promise.all([picturesOf(t), state.outlines ? outlines.get(outlinesKey(t)).catch(() => null) : null]);
}

/** Fetch frames that come next, a few at a time, and give up on those that no longer do. */
export function ahead(t, direction, n = AHEAD) {
  n = Math.min(n, Math.floor(mostPictures() / (2 * channels().length)) - 1);
  const frames = d3.range(0, n + 1).map(k => t + k * direction).filter(f => f >= 0 && f < state.movie.n_frames);
  pictures.giveUp(new Set(frames.flatMap(pictureKeys)));
  outlines.giveUp(new Set(frames.map(outlinesKey)));
  for (const frame of frames) {
    if (pictures.underway.size >= AT_ONCE) return;
    for (const key of pictureKeys(frame)) if (pictures.peek(key) === undefined) pictures.get(key).catch(() => {});
    if (state.outlines && outlines.peek(outlinesKey(frame)) === undefined)
      outlines.get(outlinesKey(frame)).catch(() => {});
  }
}

export const forgetOutlines = () => outlines.clear();

export function forgetAll() {
  pictures.clear();
  outlines.clear();
}
