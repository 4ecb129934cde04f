// The forest on a canvas: time runs down, each cell has a column, a mitosis has the colour of its verdict.

import { ofPage } from "./colours.js";
import { onceAFrame, sharp } from "./dom.js";
import { goToCell } from "./find.js";
import { verdictOf } from "./said.js";
import { on, set, state } from "./store.js";
import { VERDICTS, hours, ofFate } from "./words.js";

const COLUMN = 15, LONE = 7, GAP = 12; // pixels between cells of a family, of cells alone, between families
const TOP = 18, BOTTOM = 8, AXIS = 42;
const NEAR = 9; // pixels from a life that are still a hit

let canvas, zoom, transform = d3.zoomIdentity;
let plan = { x: new Map(), width: 0, families: [] };
let ownChoice = false; // the selection was made here: the trees stay where they are
let hovered = null;
const paint = onceAFrame(render);

export function mount(element) {
  canvas = element;
  zoom = d3.zoom().clickDistance(4).filter(event => event.type === "wheel" || !event.button);
  zoom.on("zoom", event => {
    transform = event.transform;
    paint();
  });
  d3.select(canvas).call(zoom).on("dblclick.zoom", null).on("wheel.zoom", wheel);
  canvas.addEventListener("click", clicked);
  canvas.addEventListener("mousemove", moved);
  canvas.addEventListener("mouseleave", () => hover(null));
  new ResizeObserver(() => { limits(); paint(); }).observe(canvas);
  on("lineage", () => { arrange(); paint(); });
  on("selected", selectedElsewhere);
  on(["frame", "corrections", "theme", "eventId"], paint);
}

// Layout

/** Families, that of `leader` first, then the largest; cells alone follow. */
function arrange(leader = null) {
  plan = { x: new Map(), width: 0, families: [] };
  if (!state.lineage) return;
  const { cells, events } = state.lineage;
  const eventful = new Set(events.filter(e => e.event_type === "mitosis").map(e => e.mother));
  const families = connected(cells).sort((a, b) => b.length - a.length || a[0] - b[0]);
  const first = families.findIndex(f => f.includes(leader));
  if (first > 0) families.unshift(...families.splice(first, 1));
  const isAlone = f => f.length === 1 && !eventful.has(f[0]);
  let x = GAP;
  for (const [k, family] of families.filter((f, i) => !isAlone(f) || (i === 0 && first >= 0)).entries()) {
    const columns = columnsOf(cells, family);
    columns.forEach((column, cell) => plan.x.set(cell, x + COLUMN * column));
    x += COLUMN * Math.max(...columns.values()) + COLUMN + GAP;
    plan.families.push({ cells: family, k });
  }
  for (const [cell] of families.filter(f => isAlone(f) && !plan.x.has(f[0]))) {
    plan.x.set(cell, x);
    x += LONE;
  }
  plan.width = x + GAP;
  limits();
}

function connected(cells) {
  const seen = new Set();
  const families = [];
  for (const id of cells.keys()) {
    if (seen.has(id)) continue;
    const family = [id];
    seen.add(id);
    for (let i = 0; i < family.length; i++) {
      const { parents, daughters } = cells.get(family[i]);
      for (const other of [...parents, ...daughters])
        if (cells.has(other) && !seen.has(other)) {
          seen.add(other);
          family.push(other);
        }
    }
    families.push(family.sort((a, b) => a - b));
  }
  return families;
}

/** Cell -> column: the last cells side by side, mothers over the middle of theirs; as in the report's forest. */
function columnsOf(cells, family) {
  const below = new Map(family.map(c => [c, []]));
  const roots = [];
  for (const cell of family) {
    const parents = cells.get(cell).parents.filter(p => below.has(p));
    if (parents.length) below.get(Math.min(...parents)).push(cell);
    else roots.push(cell);
  }
  const order = [];
  const stack = [...roots].reverse();
  while (stack.length) {
    const cell = stack.pop();
    order.push(cell);
    stack.push(...[...below.get(cell)].reverse());
  }
  const columns = new Map();
  for (const cell of order) if (!below.get(cell).length) columns.set(cell, columns.size);
  for (const cell of order.reverse()) {
    const under = below.get(cell).map(c => columns.get(c));
    if (under.length) columns.set(cell, (Math.min(...under) + Math.max(...under)) / 2);
  }
  return columns;
}

/** Someone chose a cell elsewhere: its family comes first, and into view. */
function selectedElsewhere() {
  const cell = state.selected?.cell;
  if (!ownChoice && cell >= 0 && !isVisible(cell)) {
    arrange(cell);
    const shift = Math.min(0, canvas.clientWidth / 2 - AXIS - transform.k * plan.x.get(cell));
    d3.select(canvas).call(zoom.transform, d3.zoomIdentity.translate(shift, transform.k === 1 ? 0 : transform.y).scale(transform.k));
  }
  paint();
}

function isVisible(cell) {
  const x = plan.x.get(cell);
  if (x === undefined) return false;
  const on = AXIS + transform.applyX(x);
  return on > AXIS && on < canvas.clientWidth;
}

// Scales

const room = () => Math.max(canvas.clientHeight - TOP - BOTTOM, 10);
const timeScale = () => transform.rescaleY(d3.scaleLinear([0, state.movie.n_frames], [0, room()]));
const xOf = cell => AXIS + transform.applyX(plan.x.get(cell));

function limits() {
  if (!canvas) return;
  const [width, height] = [Math.max(canvas.clientWidth - AXIS, 10), room()];
  zoom.extent([[0, 0], [width, height]]).scaleExtent([1, 16]);
  zoom.translateExtent([[0, 0], [Math.max(plan.width, width), height]]);
  d3.select(canvas).call(zoom.translateBy, 0, 0);
}

/** The wheel zooms; sideways, or with Shift, it moves along the families. */
function wheel(event) {
  event.preventDefault();
  const sideways = event.deltaX || (event.shiftKey ? event.deltaY : 0);
  if (sideways) return d3.select(canvas).call(zoom.translateBy, -sideways / transform.k, 0);
  const [x, y] = d3.pointer(event, canvas);
  d3.select(canvas).call(zoom.scaleBy, 2 ** (-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), [x - AXIS, y - TOP]);
}

// Drawing

function render() {
  const { context, width, height } = sharp(canvas);
  context.clearRect(0, 0, width, height);
  const { movie, lineage } = state;
  if (!movie || !lineage) return;
  const colour = ofPage();
  const y = timeScale();
  const at = frame => TOP + y(frame);
  axis(context, { width, height, colour, y });
  context.save();
  context.beginPath();
  context.rect(AXIS - 1, 0, width - AXIS + 1, height);
  context.clip();
  const inSight = [...plan.x.keys()].filter(cell => xOf(cell) > AXIS - 60 && xOf(cell) < width + 60);
  lives(context, inSight, { colour, at });
  selection(context, { colour, at });
  mitoses(context, new Set(inSight), { colour, at });
  cursor(context, { width, colour, at });
  context.restore();
}

function axis(context, { width, height, colour, y }) {
  const perHour = 60 / state.movie.minutes_per_frame;
  const [from, to] = y.domain();
  const hour = d3.scaleLinear([from / perHour, to / perHour], y.range());
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const tick of hour.ticks(Math.max(2, Math.floor(room() / 45)))) {
    const line = Math.round(TOP + hour(tick)) + 0.5;
    if (line < TOP - 1 || line > height) continue;
    context.strokeStyle = colour("rule");
    context.beginPath();
    context.moveTo(AXIS, line);
    context.lineTo(width, line);
    context.stroke();
    context.fillStyle = colour("soft");
    context.fillText(`${tick} h`, AXIS - 7, line);
  }
  context.textAlign = "left";
}

function lives(context, cells, { colour, at }) {
  const { cells: table } = state.lineage;
  context.strokeStyle = colour("life");
  context.lineWidth = 1.6;
  context.beginPath();
  for (const id of cells) {
    const cell = table.get(id);
    const x = Math.round(xOf(id));
    context.moveTo(x, at(cell.first_frame));
    context.lineTo(x, at(cell.last_frame + 1));
    for (const daughter of cell.daughters) {
      if (!plan.x.has(daughter)) continue;
      context.moveTo(x, at(cell.last_frame + 1));
      context.lineTo(Math.round(xOf(daughter)), at(table.get(daughter).first_frame));
    }
  }
  context.stroke();
  context.lineWidth = 1.4;
  for (const id of cells) fate(context, Math.round(xOf(id)), at(table.get(id).last_frame + 1), table.get(id).fate, colour);
}

/** A cross for a death, a small ring for a cell lost from sight. */
function fate(context, x, y, name, colour) {
  context.strokeStyle = colour("ink");
  context.beginPath();
  if (name?.startsWith("died")) {
    for (const side of [-1, 1]) {
      context.moveTo(x - 3.5, y - 3.5 * side);
      context.lineTo(x + 3.5, y + 3.5 * side);
    }
  } else if (name === "lost") {
    context.strokeStyle = colour("soft");
    context.arc(x, y + 2.5, 2.5, 0, 2 * Math.PI);
  }
  context.stroke();
}

function mitoses(context, cells, { colour, at }) {
  for (const event of state.lineage.events) {
    if (event.event_type !== "mitosis" || !cells.has(event.mother)) continue;
    const { verdict, pending } = verdictOf(event);
    if (verdict === "not_a_mitosis" && !pending) continue;
    const isOpen = verdict === "undecided";
    context.beginPath();
    context.arc(Math.round(xOf(event.mother)), at(event.frame), 4, 0, 2 * Math.PI);
    context.fillStyle = isOpen ? colour("page") : colour(verdict);
    context.strokeStyle = pending ? colour("amber") : isOpen ? colour("undecided") : colour("page");
    context.lineWidth = pending || isOpen ? 2 : 1;
    context.fill();
    context.stroke();
  }
}

function selection(context, { colour, at }) {
  const { selected, lineage } = state;
  for (const [id, width, strength] of [[hovered, 3, 0.5], [selected?.cell, 4, 1]]) {
    const cell = lineage.cells.get(id);
    if (!cell || !plan.x.has(id)) continue;
    const x = Math.round(xOf(id));
    context.globalAlpha = strength;
    context.strokeStyle = colour("accent");
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(x, at(cell.first_frame));
    context.lineTo(x, at(cell.last_frame + 1) - 5);
    context.stroke();
    context.globalAlpha = 1;
    name(context, id, x, Math.max(at(cell.first_frame), TOP) - 8, colour);
  }
}

function name(context, id, x, y, colour) {
  context.font = "600 11px system-ui, sans-serif";
  context.textAlign = "center";
  const wide = context.measureText(id).width + 6;
  context.fillStyle = colour("page");
  context.fillRect(x - wide / 2, y - 7, wide, 14);
  context.fillStyle = colour("accent");
  context.fillText(id, x, y);
  context.textAlign = "left";
}

function cursor(context, { width, colour, at }) {
  const line = Math.round(at(state.frame)) + 0.5;
  context.strokeStyle = colour("accent");
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(AXIS, line);
  context.lineTo(width, line);
  context.stroke();
}

// Mouse

function hit(event) {
  if (!state.lineage) return null;
  const [px, py] = d3.pointer(event, canvas);
  const frame = timeScale().invert(py - TOP);
  let [found, least] = [null, NEAR];
  for (const [id] of plan.x) {
    const far = Math.abs(xOf(id) - px);
    if (far >= least) continue;
    const cell = state.lineage.cells.get(id);
    const slack = Math.abs(timeScale().invert(6) - timeScale().invert(0));
    if (frame < cell.first_frame - slack || frame > cell.last_frame + 1 + slack) continue;
    [found, least] = [id, far];
  }
  return { cell: found, frame: Math.max(0, Math.min(state.movie.n_frames - 1, Math.floor(frame))), x: px };
}

function clicked(event) {
  if (event.defaultPrevented) return;
  const at = hit(event);
  if (!at) return;
  if (at.cell === null) return at.x < AXIS ? set({ frame: at.frame }) : undefined;
  ownChoice = true;
  goToCell(at.cell, at.frame);
  ownChoice = false;
}

function moved(event) {
  if (!event.buttons) hover(hit(event)?.cell ?? null);
}

function hover(cell) {
  if (cell === hovered) return;
  hovered = cell;
  canvas.classList.toggle("over", cell !== null);
  canvas.title = cell === null ? "" : about(cell);
  paint();
}

function about(id) {
  const cell = state.lineage.cells.get(id);
  const event = state.lineage.eventsOfMother.get(id)?.find(e => e.event_type === "mitosis");
  const verdict = event ? `; mitosis: ${VERDICTS[verdictOf(event).verdict]}` : "";
  return `cell ${id}, from ${hours(cell.birth_min)} h, ${ofFate(cell, state.lineage)}${verdict}`;
}
