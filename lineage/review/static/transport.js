// Below the movie: play, step, the time line with its events and unusable frames.

import { ofPage } from "./colours.js";
import { byId, el, icon, onceAFrame, sharp } from "./dom.js";
import { middle } from "./judge.js";
import { verdictOf } from "./said.js";
import { notify, on, set, state } from "./store.js";
import { hours } from "./words.js";

let slider, strip, time, play, loop;

export function mount() {
  const step = by => () => goTo(state.frame + by);
  play = el("button", { class: "square", onclick: togglePlay, "data-tip": "Play  (Space)", "aria-label": "Play" });
  loop = el("button", { class: "square", onclick: () => playAround(middle()), "data-tip": "The event in a loop  (l)", "aria-label": "The event in a loop" },
    icon("M3 8a5 5 0 0 1 5-5h4M10 1l2 2-2 2", "M13 8a5 5 0 0 1-5 5H4M6 15l-2-2 2-2"));
  slider = el("input", { type: "range", min: 0, step: 1, value: 0, "aria-label": "Frame" });
  slider.addEventListener("input", () => set({ frame: Number(slider.value), playing: false }));
  strip = el("canvas", { "aria-hidden": "true" });
  time = el("output", { class: "time" });
  byId("transport").append(
    el("button", { class: "square", onclick: step(-1), "data-tip": "One frame back  (←)", "aria-label": "One frame back" }, icon("M10 3L5 8l5 5")),
    play,
    el("button", { class: "square", onclick: step(1), "data-tip": "One frame on  (→)", "aria-label": "One frame on" }, icon("M6 3l5 5-5 5")),
    loop,
    el("div", { id: "line" }, strip, slider),
    time);
  const draw = onceAFrame(marks);
  new ResizeObserver(draw).observe(strip);
  on(["movie", "lineage", "theme", "corrections"], draw);
  on(["frame", "movie"], now);
  on(["playing", "loop"], playing);
  playing();
}

export const goTo = frame => set({ frame: Math.max(0, Math.min(state.movie.n_frames - 1, frame)), playing: false });

/** An hour before a frame to an hour after it, again and again; a second time stops, where it was. */
export function playAround(frame) {
  if (state.loop) return set({ frame: state.loop.back, playing: false });
  if (frame === null) return notify("Select a cell first, or press n.", true);
  const n = Math.max(1, Math.round(60 / state.movie.minutes_per_frame));
  const [from, to] = [Math.max(0, frame - n), Math.min(state.movie.n_frames - 1, frame + n)];
  set({ loop: { from, to, back: state.frame }, frame: from, playing: true });
}

export function togglePlay() {
  const atEnd = state.frame >= state.movie.n_frames - 1;
  set(state.playing ? { playing: false } : { frame: atEnd ? 0 : state.frame, playing: true });
}

function playing() {
  play.replaceChildren(state.playing ? icon("M5 3v10M11 3v10") : icon("M5 2.5v11l8-5.5z"));
  play.setAttribute("aria-pressed", String(state.playing));
  loop.setAttribute("aria-pressed", String(state.loop !== null));
}

function now() {
  if (!state.movie) return;
  slider.max = state.movie.n_frames - 1;
  slider.value = state.frame;
  const minutes = state.frame * state.movie.minutes_per_frame;
  time.replaceChildren(el("b", {}, `${hours(minutes)} h`), ` frame ${state.frame} of ${state.movie.n_frames - 1}`);
}

/** Mitoses by verdict; frames that cannot be used are hatched away in amber. */
function marks() {
  const { context, width, height } = sharp(strip);
  context.clearRect(0, 0, width, height);
  if (!state.movie || !state.lineage) return;
  const colour = ofPage();
  const x = d3.scaleLinear([0, Math.max(1, state.movie.n_frames - 1)], [8, width - 8]); // as the slider's knob goes
  const one = Math.max(1.5, x(1) - x(0));
  context.fillStyle = colour("amber");
  state.movie.usable?.forEach((isUsable, t) => isUsable || context.fillRect(x(t) - one / 2, height - 3, one, 3));
  context.globalAlpha = 0.85;
  for (const event of state.lineage.events) {
    const { verdict } = verdictOf(event);
    if (event.event_type !== "mitosis" || verdict === "not_a_mitosis") continue;
    context.fillStyle = colour(verdict);
    context.fillRect(Math.round(x(event.frame)) - 1, 1, 2, height - 5);
  }
  context.globalAlpha = 1;
}
