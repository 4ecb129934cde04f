// What lies over a picture: outlines, tracks, marks. All in pixels of the movie; line widths are divided by the zoom `k`.

import { ON_PICTURE, PALE, ofLineage } from "./colours.js";
import { verdictOf } from "./said.js";

const TAIL = 10; // frames of a track that are shown
const MARKED = 1; // frames before and after an event in which it is marked

/** Cell -> colour, by founder or by the verdict on its mitosis; without one, on the mitosis that it was born in. */
export function painter(lineage, colour) {
  if (colour === "lineage") {
    const founder = new Map([...lineage.cells.values()].map(c => [c.tracklet_id, ofLineage(c.founder_id)]));
    return cell => founder.get(cell) ?? PALE;
  }
  const mitoses = lineage.events.filter(e => e.event_type === "mitosis");
  const coloured = mitoses.map(e => [e, ON_PICTURE[verdictOf(e).verdict]]);
  const own = new Map(coloured.map(([e, shade]) => [e.mother, shade]));
  const birth = new Map(coloured.flatMap(([e, shade]) => e.daughters.map(cell => [cell, shade])));
  return cell => own.get(cell) ?? birth.get(cell) ?? PALE;
}

/** Outlines that can be seen; filled where there is no picture below them. */
export function outlines(context, paths, { k, box, paint, selected, filled }) {
  context.lineWidth = 1.3 / k;
  for (const { path, cell, x, y } of paths) {
    if (!seen(box, x, y)) continue;
    const isSelected = cell >= 0 && cell === selected;
    context.strokeStyle = paint(cell);
    context.setLineDash(cell < 0 ? [3 / k, 3 / k] : []);
    if (filled) fill(context, context.strokeStyle, path);
    context.lineWidth = (isSelected ? 2.2 : 1.3) / k;
    context.stroke(path);
  }
  context.setLineDash([]);
}

/** Of a path, or of the context's own. */
function fill(context, colour, ...path) {
  context.globalAlpha = 0.28;
  context.fillStyle = colour;
  context.fill(...path);
  context.globalAlpha = 1;
}

/** Four corners around the selected nucleus: they are seen whatever the picture and the colours are. */
export function corners(context, { y, x, radius }, k) {
  const half = 1.35 * radius + 6 / k;
  const arm = Math.min(0.45 * half, 14 / k);
  context.beginPath();
  for (const [v, h] of [[-1, -1], [-1, 1], [1, 1], [1, -1]]) {
    context.moveTo(x + h * half, y + v * (half - arm));
    context.lineTo(x + h * half, y + v * half);
    context.lineTo(x + h * (half - arm), y + v * half);
  }
  for (const [colour, width] of [["rgba(0, 0, 0, 0.7)", 4.5], ["#fff", 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = width / k;
    context.stroke();
  }
}

/** Circles of the nuclei's areas, until their outlines are there. */
export function circles(context, lineage, frame, { k, box, paint }) {
  const [from, to] = lineage.at(frame);
  context.lineWidth = 1 / k;
  for (let i = from; i < to; i++) {
    if (!seen(box, lineage.x[i], lineage.y[i])) continue;
    context.strokeStyle = paint(lineage.cell[i]);
    context.beginPath();
    context.arc(lineage.x[i], lineage.y[i], lineage.radius[i], 0, 2 * Math.PI);
    context.stroke();
  }
}

/** Where the cells of this frame were in the frames before, mothers included; the further back, the fainter. */
export function tracks(context, lineage, frame, { k, box, paint, selected }) {
  const [from, to] = lineage.at(frame);
  context.lineCap = "round";
  for (let i = from; i < to; i++) {
    const cell = lineage.cell[i];
    if (cell < 0 || !seen(box, lineage.x[i], lineage.y[i])) continue;
    const points = tail(lineage, i, cell === selected ? 4 * TAIL : TAIL);
    context.strokeStyle = paint(cell);
    context.lineWidth = (cell === selected ? 2.2 : 1.4) / k;
    fading(context, lineage, points);
  }
  context.globalAlpha = 1;
}

function fading(context, lineage, points) {
  const pieces = 3;
  const step = Math.ceil((points.length - 1) / pieces);
  for (let piece = 0; piece < pieces; piece++) {
    const part = points.slice(piece * step, (piece + 1) * step + 1);
    if (part.length < 2) return;
    context.globalAlpha = 0.9 - 0.3 * piece;
    context.beginPath();
    part.forEach(i => context.lineTo(lineage.x[i], lineage.y[i]));
    context.stroke();
  }
}

/** The nucleus and those before it, back through its mothers. */
function tail(lineage, i, frames) {
  const points = [];
  let cell = lineage.cell[i];
  const earliest = lineage.frame[i] - frames;
  while (cell !== undefined && lineage.of(cell).length) {
    const track = lineage.of(cell);
    let at = points.length ? track.length - 1 : track.indexOf(i);
    for (; at >= 0 && lineage.frame[track[at]] >= earliest; at--) points.push(track[at]);
    if (at >= 0) break;
    cell = lineage.cells.get(cell)?.parents[0];
  }
  return points;
}

/** A mark above each event of these frames, in the colour of its verdict. */
export function events(context, lineage, frame, { k, box }) {
  for (const event of lineage.events) {
    if (Math.abs(event.frame - frame) > MARKED || !seen(box, event.x_px, event.y_px)) continue;
    const { verdict, pending } = verdictOf(event);
    const i = lineage.inFrame(event.mother, frame);
    const [x, y] = i >= 0 ? [lineage.x[i], lineage.y[i] - 1.3 * lineage.radius[i]] : [event.x_px, event.y_px];
    const [w, h] = [5 / k, 8 / k];
    context.beginPath();
    context.moveTo(x, y - 2 / k);
    context.lineTo(x - w, y - 2 / k - h);
    context.lineTo(x + w, y - 2 / k - h);
    context.closePath();
    context.fillStyle = event.event_type === "mitosis" ? ON_PICTURE[verdict] : "#fff";
    context.globalAlpha = pending ? 0.6 : 1;
    context.fill();
    context.globalAlpha = 1;
  }
}

/** A ring around a nucleus: hovered, taken by a tool, or about to change. */
export function ring(context, { y, x, radius }, { k, colour, dash = [4, 3], width = 2, filled = false }) {
  context.setLineDash(dash.map(d => d / k));
  context.strokeStyle = colour;
  context.lineWidth = width / k;
  context.beginPath();
  context.arc(x, y, radius + 4 / k, 0, 2 * Math.PI);
  if (filled) fill(context, colour);
  context.stroke();
  context.setLineDash([]);
}

/** Points that a tool has taken, [y, x], as a line; dashed and closed where it is an outline. */
export function drawn(context, points, { k, closed }) {
  if (!points.length) return;
  context.strokeStyle = context.fillStyle = "#FFD54A";
  context.lineWidth = 2 / k;
  context.setLineDash([5 / k, 4 / k]);
  context.beginPath();
  points.forEach(([y, x]) => context.lineTo(x, y));
  if (closed) context.closePath();
  context.stroke();
  context.setLineDash([]);
  if (points.length > 40) return;
  for (const [y, x] of points) {
    context.beginPath();
    context.arc(x, y, 2.5 / k, 0, 2 * Math.PI);
    context.fill();
  }
}

/** A few words beside a place, on a dark plate. */
export function label(context, text, { y, x }, k) {
  context.font = `${12 / k}px system-ui, sans-serif`;
  const wide = context.measureText(text).width;
  context.fillStyle = "rgba(10, 12, 16, 0.78)";
  context.fillRect(x - 4 / k, y - 14 / k, wide + 8 / k, 19 / k);
  context.fillStyle = "#fff";
  context.fillText(text, x, y);
}

/** A round number of micrometres, at the lower left; in pixels of the screen. */
export function scaleBar(context, { k, pixel, bottom }) {
  const most = 130 * pixel / k;
  const ten = 10 ** Math.floor(Math.log10(most));
  const um = ten * [5, 2, 1].find(n => n * ten <= most);
  const wide = um * k / pixel;
  const text = `${Number(um.toPrecision(2))} µm`;
  context.font = "12px system-ui, sans-serif";
  const plate = Math.max(wide, context.measureText(text).width) + 16;
  context.fillStyle = "rgba(10, 12, 16, 0.6)";
  context.fillRect(10, bottom - 40, plate, 30);
  context.fillStyle = "#fff";
  context.fillRect(10 + (plate - wide) / 2, bottom - 18, wide, 3);
  context.textAlign = "center";
  context.fillText(text, 10 + plate / 2, bottom - 24);
  context.textAlign = "left";
}

const seen = ({ x0, y0, x1, y1 }, x, y) => x >= x0 && x <= x1 && y >= y0 && y <= y1;
