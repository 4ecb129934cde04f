// The contrast of what is selected: chromatin of a mitosis is so bright that the movie's own contrast shows it as white.

import { getPicture } from "./api.js";
import { onceAFrame } from "./dom.js";
import { failed, on, notify, remember, remembered, set, state } from "./store.js";

const RANGE = 16; // how much brighter than the movie's white is still told apart
const ROOM = 1.15; // the brightest pixel is a little below white
const LEAST = 0.3; // of the movie's own range: less would show noise; by itself the contrast only gets lower
const RADII = 1.7; // half the side of the square that is looked at
const reader = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

export function mount() {
  on(["item", "eventId"], onceAFrame(follow));
}

let lastItem = null;

/** An item that is opened, or an event that is chosen, gets its contrast by itself. */
function follow() {
  const isWanted = state.item !== lastItem || state.eventId !== null;
  lastItem = state.item;
  if (isWanted && state.movie && isAutomatic()) fit(1);
}

const isAutomatic = () => remembered("contrast", "true") === "true";

/** To the contrast of the selection, or back; what was chosen last holds for the items that are opened next. */
export function toggle() {
  remember("contrast", String(!state.fitted));
  if (state.fitted) return back();
  if (!state.selected) return notify("Contrast of the selection: select a cell first.", true);
  fit(LEAST);
}

/** The movie's own contrast of the DNA. */
function back() {
  const { [nucleus()]: _, ...others } = state.levels;
  set({ levels: others, fitted: false });
}

/** By hand: it stays until it is asked for again. */
export function byHand(levels) {
  remember("contrast", "false");
  set({ levels, fitted: false });
}

const nucleus = () => state.movie.channels.find(c => c.role === "nucleus")?.index;

async function fit(least) {
  const { selected, movie, m } = state;
  const channel = movie && nucleus();
  if (!selected || !movie?.has_pixels || channel === undefined) return;
  try {
    const high = await brightest(selected.place, channel);
    if (state.m !== m || state.selected !== selected) return;
    const [low, white] = movie.levels[channel];
    const fitted = Math.max(low + ROOM * (high - low), low + least * (white - low));
    set({ levels: { ...state.levels, [channel]: [low, Number(fitted.toPrecision(3))] }, fitted: true });
  } catch (error) {
    failed(error);
  }
}

/** The brightest grey level around a place, in its frame and the next, where the chromatin separates. */
async function brightest({ frame, y_px, x_px }, channel) {
  const [low, white] = state.movie.levels[channel];
  const high = low + RANGE * (white - low);
  const frames = [frame, frame + 1].filter(t => t < state.movie.n_frames);
  const pictures = await Promise.all(frames.map(t => getPicture(`movies/${state.m}/frames/${t}/${channel}.png?low=${low}&high=${high}`)));
  const most = Math.max(...pictures.map(picture => inSquare(picture, y_px, x_px)));
  pictures.forEach(picture => picture.close());
  return low + most / 255 * (high - low);
}

function inSquare(picture, y, x) {
  const scale = picture.width / state.movie.shape[1];
  const half = RADII * scale * state.movie.diameter_px / 2;
  const side = Math.max(3, Math.round(2 * half));
  [reader.canvas.width, reader.canvas.height] = [side, side];
  reader.drawImage(picture, Math.round(half - scale * x), Math.round(half - scale * y));
  return reader.getImageData(0, 0, side, side).data.reduce((most, value, k) => (k % 4 ? most : Math.max(most, value)), 0);
}
