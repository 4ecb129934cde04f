// The movie on a canvas: pictures with outlines and tracks over them; zoom, pan, and what the mouse points at.

import { onceAFrame, sharp } from "./dom.js";
import * as draw from "./draw.js";
import { selectNucleus, whoShows } from "./find.js";
import * as frames from "./frames.js";
import { pending, verdictOf } from "./said.js";
import { failed, notify, on, set, state } from "./store.js";
import * as tools from "./tools.js";
import { VERDICTS, ofFate, placesOf } from "./words.js";

const FPS = 12;
const CLOSELY = 9; // diameters of a nucleus in the height of the canvas, where one is looked at closely
const TINT = "#3fd0ff"; // the DNA over the phase contrast

let canvas, zoom, transform = d3.zoomIdentity;
let shown = { frame: -1, pictures: [], mixed: null }; // what the canvas has now
let hovered = -1;
let dragged = null; // [from, to] of the line that is being dragged, [y, x]
let wasLine = false; // the click that follows is the end of a line, and selects nothing
const hits = document.createElement("canvas").getContext("2d");
const mixer = document.createElement("canvas");
const paint = onceAFrame(render);

export function mount(element) {
  canvas = element;
  zoom = d3.zoom().filter(pans).clickDistance(4).on("zoom", event => {
    transform = event.transform;
    paint();
  }).on("end", () => set({ view: transform }));
  d3.select(canvas).call(zoom).on("dblclick.zoom", null);
  canvas.addEventListener("click", event => clicked(event));
  canvas.addEventListener("mousemove", event => moved(event));
  canvas.addEventListener("mouseleave", () => hover(-1));
  canvas.addEventListener("pointerdown", beginLine);
  window.addEventListener("pointerup", endLine);
  new ResizeObserver(resized).observe(canvas);
  whoShows(centre);
  on(["frame", "layer", "levels"], load);
  on("frame", () => state.follow && followSelected());
  on("playing", () => (state.playing ? play() : set({ loop: null })));
  on(["lineage", "outlines", "tracks", "colour", "selected", "edit", "corrections"], paint);
}

/** Forget the last movie and show all of the field of this one. */
export function begin() {
  shown = { frame: -1, pictures: [], mixed: null };
  hovered = -1;
  frames.forgetAll();
  limits();
  fit();
  load();
}

/** Draw again with new tables and outlines. */
export function refresh() {
  hovered = -1;
  frames.forgetOutlines();
  paint();
}

// Frames

async function load() {
  if (!state.movie) return;
  const [frame, layer, levels, m] = [state.frame, state.layer, state.levels, state.m];
  const isStill = () => [frame, layer, levels, m].every((value, k) => value === [state.frame, state.layer, state.levels, state.m][k]);
  const direction = frame < shown.frame ? -1 : 1;
  frames.ahead(frame, direction, state.playing ? undefined : 3);
  try {
    const pictures = await frames.picturesOf(frame);
    if (!isStill()) return;
    frames.hold(pictures);
    shown = { frame, pictures, mixed: pictures.length > 1 ? mix(pictures) : pictures[0] ?? null };
    canvas.dataset.frame = frame;
    paint();
  } catch (error) {
    if (error.name !== "AbortError" && isStill()) failed(error);
  }
}

async function play() {
  while (state.playing && state.movie) {
    const [began, { frame, loop }] = [performance.now(), state];
    const next = loop && frame >= loop.to ? loop.from : frame + 1;
    if (next >= state.movie.n_frames) return set({ playing: false });
    frames.ahead(next, 1);
    await frames.whole(next).catch(() => {});
    await new Promise(go => setTimeout(go, Math.max(0, 1000 / FPS - (performance.now() - began))));
    if (state.playing && state.frame === frame) set({ frame: next });
  }
}

/** Phase contrast in grey, and the DNA in colour added to it. */
function mix([grey, coloured]) {
  const context = mixer.getContext("2d");
  [mixer.width, mixer.height] = [grey.width, grey.height];
  context.drawImage(coloured, 0, 0, grey.width, grey.height);
  context.globalCompositeOperation = "multiply";
  context.drawImage(coloured, 0, 0, grey.width, grey.height); // squared: the haze between nuclei goes
  context.fillStyle = TINT;
  context.fillRect(0, 0, grey.width, grey.height);
  context.globalCompositeOperation = "lighter";
  context.globalAlpha = 0.62;
  context.drawImage(grey, 0, 0);
  context.globalAlpha = 1;
  context.globalCompositeOperation = "source-over";
  return mixer;
}

// Drawing

function render() {
  const { context, width, height, ratio } = sharp(canvas);
  context.fillStyle = "#0b0d10";
  context.fillRect(0, 0, width, height);
  if (!state.movie || shown.frame < 0) return;
  const { k, x, y } = transform;
  context.translate(x, y);
  context.scale(k, k);
  background(context, k);
  overlay(context, k, width, height);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  draw.scaleBar(context, { k, pixel: state.movie.pixel_size_um, bottom: height });
}

function overlay(context, k, width, height) {
  const { lineage } = state;
  if (!lineage) return;
  const box = visible(width, height);
  const selected = state.selected?.cell ?? -1;
  const how = { k, box, selected, paint: draw.painter(lineage, state.colour), filled: !state.movie.has_pixels };
  if (state.tracks) draw.tracks(context, lineage, shown.frame, how);
  if (state.outlines) outline(context, how);
  draw.events(context, lineage, shown.frame, how);
  marks(context, k);
}

function background(context, k) {
  const [height, width] = state.movie.shape;
  if (!shown.mixed) {
    context.fillStyle = "#15181d";
    context.fillRect(-0.5, -0.5, width, height);
    return;
  }
  context.imageSmoothingEnabled = k < 5; // nearer, single pixels can be told
  context.drawImage(shown.mixed, -0.5, -0.5, width, height); // positions are of the middles of pixels
}

function outline(context, how) {
  const paths = frames.outlinesOf(shown.frame, paint);
  if (paths) draw.outlines(context, paths, how);
  else if (!state.playing) draw.circles(context, state.lineage, shown.frame, how);
}

function marks(context, k) {
  const { lineage, edit, selected } = state;
  const nucleus = i => ({ y: lineage.y[i], x: lineage.x[i], radius: lineage.radius[i] });
  const own = selected ? selectedIn(shown.frame) : -1;
  if (own >= 0) draw.corners(context, nucleus(own), k);
  for (const place of pending().flatMap(placesOf))
    if (place.frame === shown.frame)
      draw.ring(context, { y: place.y_px, x: place.x_px, radius: state.movie.diameter_px / 2 }, { k, colour: "#E69F00" });
  if (edit) taken(context, k, edit, nucleus);
  if (hovered >= 0 && lineage.frame[hovered] === shown.frame) {
    draw.ring(context, nucleus(hovered), { k, colour: "rgba(255,255,255,.75)", dash: [], width: 1 });
    draw.label(context, about(hovered), { y: lineage.y[hovered] - lineage.radius[hovered] - 10 / k, x: lineage.x[hovered] }, k);
  }
}

function selectedIn(frame) {
  const { cell, place } = state.selected;
  if (cell >= 0) return state.lineage.inFrame(cell, frame);
  return place.frame === frame ? state.lineage.near(frame, place.y_px, place.x_px) : -1;
}

function taken(context, k, { tool, picks }, nucleus) {
  if (tool.takes === "nuclei") {
    for (const i of picks) {
      const isHere = state.lineage.frame[i] === shown.frame;
      draw.ring(context, nucleus(i), { k, colour: "#FFD54A", dash: isHere ? [] : [2, 4], width: isHere ? 2.5 : 1.5, filled: isHere });
    }
  } else draw.drawn(context, dragged ?? picks, { k, closed: tool.takes !== "line" && picks.length > 2 });
}

function about(i) {
  const cell = state.lineage.cells.get(state.lineage.cell[i]);
  if (!cell) return "in no cell";
  const event = state.lineage.eventsOfMother.get(cell.tracklet_id)?.find(e => e.event_type === "mitosis");
  const verdict = event ? `, ${VERDICTS[verdictOf(event).verdict]}` : "";
  return `${cell.tracklet_id}  ${ofFate(cell, state.lineage)}${verdict}`;
}

// Zoom

function visible(width, height) {
  const margin = 2 * state.movie.diameter_px;
  const [x0, y0] = transform.invert([0, 0]);
  const [x1, y1] = transform.invert([width, height]);
  return { x0: x0 - margin, y0: y0 - margin, x1: x1 + margin, y1: y1 + margin };
}

/** Whether a place is within the part of the field that is seen. */
export function isInView({ y_px, x_px }) {
  const [x, y] = transform.apply([x_px, y_px]);
  return x >= 0 && y >= 0 && x <= canvas.clientWidth && y <= canvas.clientHeight;
}

const fitting = () => Math.min(canvas.clientWidth / state.movie.shape[1], canvas.clientHeight / state.movie.shape[0]);

function limits() {
  if (!state.movie) return;
  const [height, width] = state.movie.shape;
  zoom.scaleExtent([Math.min(0.5 * fitting(), 1), 40]);
  zoom.translateExtent([[-0.5 * width, -0.5 * height], [1.5 * width, 1.5 * height]]);
}

let lastSize = null;
function resized() {
  const size = [canvas.clientWidth, canvas.clientHeight];
  if (state.movie && lastSize) {
    const middle = transform.invert(lastSize.map(s => s / 2));
    limits();
    if (transform.k <= fitting() * 1.2) fit();
    else move(middle[0], middle[1], transform.k);
  }
  lastSize = size;
  paint();
}

/** All of the field. */
export function fit() {
  if (!state.movie) return;
  const [height, width] = state.movie.shape;
  move(width / 2, height / 2, 0.98 * fitting());
}

function move(x, y, k) {
  const to = d3.zoomIdentity.translate(canvas.clientWidth / 2 - k * x, canvas.clientHeight / 2 - k * y).scale(k);
  d3.select(canvas).call(zoom.transform, to);
}

function centre({ y_px, x_px }, closely) {
  const close = canvas.clientHeight / (CLOSELY * state.movie.diameter_px);
  move(x_px, y_px, closely ? Math.max(close, fitting()) : Math.max(transform.k, 1.5 * fitting()));
}

export function zoomBy(factor) {
  const { selected, lineage } = state;
  const i = selected && lineage ? lineage.inFrame(selected.cell, shown.frame) : -1;
  if (i >= 0) return move(lineage.x[i], lineage.y[i], Math.min(40, Math.max(fitting() / 2, factor * transform.k)));
  d3.select(canvas).call(zoom.scaleBy, factor);
}

export function followSelected() {
  const i = state.selected && state.lineage ? state.lineage.latest(state.selected.cell, state.frame) : -1;
  if (i >= 0) move(state.lineage.x[i], state.lineage.y[i], transform.k);
}

// Mouse

const isLine = () => state.edit?.tool.takes === "line";
const pans = event => event.type === "wheel" || (!event.button && !isLine());

/** [y, x] in the movie of a mouse event. */
function pointOf(event) {
  const [x, y] = transform.invert(d3.pointer(event, canvas));
  return [y, x];
}

/** The nucleus whose outline holds the point, or whose circle does. */
function under([y, x]) {
  if (!state.lineage || shown.frame < 0) return -1;
  const inside = frames.outlinesOf(shown.frame, paint)?.find(({ path }) => hits.isPointInPath(path, x, y));
  const i = inside ? state.lineage.labelled(shown.frame, inside.label) : -1;
  return i >= 0 ? i : state.lineage.near(shown.frame, y, x);
}

function moved(event) {
  if (dragged) {
    dragged[1] = pointOf(event);
    return paint();
  }
  hover(event.buttons ? -1 : under(pointOf(event)));
}

function hover(i) {
  if (i === hovered) return;
  hovered = i;
  canvas.classList.toggle("over", i >= 0);
  paint();
}

function clicked(event) {
  if (event.defaultPrevented || wasLine || isLine() || shown.frame !== state.frame) return;
  const [y, x] = pointOf(event);
  const { edit } = state;
  if (edit && edit.tool.takes !== "nuclei") return tools.point(y, x);
  const i = under([y, x]);
  if (!edit) return selectNucleus(i);
  if (i < 0) return notify(`${edit.tool.name}: no nucleus there.`, true);
  tools.pick(i, { all: event.shiftKey });
}

function beginLine(event) {
  wasLine = false;
  if (!isLine() || event.button) return;
  const from = pointOf(event);
  dragged = [from, from];
}

function endLine() {
  if (!dragged) return;
  const [from, to] = dragged;
  dragged = null;
  wasLine = true;
  if (Math.hypot(from[0] - to[0], from[1] - to[1]) * transform.k > 6) tools.line(from, to);
  paint();
}
