// Nuclei, cells and events of a movie, and where to find each.

const words = text => String(text ?? "").split(" ").filter(Boolean).map(Number);

export class Lineage {
  /**
   * @param {ArrayBuffer} buffer nuclei, sorted by frame: int32 n, then columns of n
   * @param {{columns: string[], rows: any[][]}} cells tracklets.csv
   * @param {object[]} events events.csv, each with its `ref`
   * @param {number} nFrames of the movie
   */
  constructor(buffer, cells, events, nFrames) {
    this.n = new Int32Array(buffer, 0, 1)[0];
    const column = (k, Type) => new Type(buffer, 4 + 4 * k * this.n, this.n);
    this.frame = column(0, Int32Array);
    this.label = column(1, Int32Array);
    this.cell = column(2, Int32Array);
    this.y = column(3, Float32Array);
    this.x = column(4, Float32Array);
    this.radius = column(5, Float32Array);
    this.starts = starts(this.frame, nFrames);
    this.tracks = tracks(this.cell);
    this.cells = new Map(cells.rows.map(row => asCell(cells.columns, row)).map(cell => [cell.tracklet_id, cell]));
    this.events = events.map(e => ({ ...e, mother: e.mother_id, daughters: words(e.daughter_ids) }));
    this.eventById = new Map(this.events.map(e => [e.event_id, e]));
    this.eventsOfMother = Map.groupBy ? Map.groupBy(this.events, e => e.mother) : grouped(this.events);
  }

  /** Indices [from, to) of a frame's nuclei. */
  at(frame) {
    return frame < 0 || frame + 1 >= this.starts.length ? [0, 0] : [this.starts[frame], this.starts[frame + 1]];
  }

  /** All nuclei of a cell, in order of time. */
  of(cell) {
    return this.tracks.get(cell) ?? [];
  }

  first(cell) {
    return this.of(cell)[0] ?? -1;
  }

  last(cell) {
    return this.of(cell).at(-1) ?? -1;
  }

  /** The cell's nucleus in a frame, or the one before where it was missed; -1 outside of its life. */
  latest(cell, frame) {
    const track = this.of(cell);
    if (!track.length || frame < this.frame[track[0]] || frame > this.frame[track.at(-1)]) return -1;
    let [low, high] = [0, track.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.frame[track[middle]] <= frame) low = middle;
      else high = middle - 1;
    }
    return track[low];
  }

  /** The cell's nucleus in exactly this frame; -1 if there is none. */
  inFrame(cell, frame) {
    const i = this.latest(cell, frame);
    return i >= 0 && this.frame[i] === frame ? i : -1;
  }

  /** The nearest nucleus that holds the point, give or take `slack` radii; -1 if none does. */
  near(frame, y, x, slack = 1.15) {
    let [nearest, least] = [-1, Infinity];
    const [from, to] = this.at(frame);
    for (let i = from; i < to; i++) {
      const far = Math.hypot(this.y[i] - y, this.x[i] - x);
      if (far < least && far <= slack * this.radius[i]) [nearest, least] = [i, far];
    }
    return nearest;
  }

  /** The nucleus of a label in a frame; -1 if there is none. */
  labelled(frame, label) {
    const [from, to] = this.at(frame);
    for (let i = from; i < to; i++) if (this.label[i] === label) return i;
    return -1;
  }

  /** Where a nucleus is, as corrections name it. */
  place(i) {
    const round = value => Math.round(100 * value) / 100;
    return { frame: this.frame[i], y_px: round(this.y[i]), x_px: round(this.x[i]) };
  }

  /** Where a cell is at a time of its life, or at the nearest one. */
  placeOf(cell, frame) {
    const [first, last] = [this.first(cell), this.last(cell)];
    if (first < 0) return null;
    return this.place(this.latest(cell, Math.min(Math.max(frame, this.frame[first]), this.frame[last])));
  }

  /** The event of a cell that is nearest in time, its birth among them. */
  nearestEvent(cell, frame) {
    const all = this.events.filter(e => e.mother === cell || e.daughters.includes(cell));
    return all.sort((a, b) => Math.abs(a.frame - frame) - Math.abs(b.frame - frame))[0] ?? null;
  }

  /** The event that a cell's table shows: the mother's own, nearest in time, or that of its birth. */
  eventOf(cell, frame) {
    const near = list => [...list].sort((a, b) => Math.abs(a.frame - frame) - Math.abs(b.frame - frame))[0];
    const born = this.events.filter(e => e.daughters.includes(cell));
    return near(this.eventsOfMother.get(cell) ?? []) ?? near(born) ?? null;
  }
}

function starts(frame, nFrames) {
  const count = new Int32Array(nFrames + 1);
  for (const t of frame) if (t < nFrames) count[t + 1]++;
  for (let t = 0; t < nFrames; t++) count[t + 1] += count[t];
  return count;
}

function tracks(cell) {
  const found = new Map();
  cell.forEach((id, i) => {
    if (id < 0) return;
    if (!found.has(id)) found.set(id, []);
    found.get(id).push(i);
  });
  return found;
}

function asCell(columns, row) {
  const cell = Object.fromEntries(columns.map((name, k) => [name, row[k]]));
  return { ...cell, parents: words(cell.parent_ids), daughters: words(cell.daughter_ids) };
}

function grouped(events) {
  const found = new Map();
  for (const e of events) found.set(e.mother, [...(found.get(e.mother) ?? []), e]);
  return found;
}
