// Going places: to a nucleus, a cell, an event or an item of the work list; and finding the selection again.

import { set, state } from "./store.js";
import { hours, ofLine } from "./words.js";

const NEAR_MIN = 60; // an event is near what is shown within an hour
let show = () => {}; // set by the movie: (place, closely) => void

export function whoShows(how) {
  show = how;
}

export const isNear = (one, other) => Math.abs(one - other) * state.movie.minutes_per_frame <= NEAR_MIN;

/** The cell at a place, -1 for none. */
export function cellAt(place) {
  const i = state.lineage.near(place.frame, place.y_px, place.x_px, 1.5);
  return i < 0 ? -1 : state.lineage.cell[i];
}

/** What a line says, with the times and the numbers that the movie has now. */
export const inWords = line => ofLine(line, frame => `${hours(frame * state.movie.minutes_per_frame)} h`, cellAt);

/** The event of a cell that is meant at a time: far from it, none. */
function eventNear(cell, frame) {
  const found = cell >= 0 ? state.lineage.nearestEvent(cell, frame) : null;
  return found && isNear(found.frame, frame) ? found : null;
}

/** Select a nucleus by its number in the table; none for -1. */
export function selectNucleus(i) {
  const { lineage, frame } = state;
  if (i < 0) return set({ selected: null, eventId: null });
  const cell = lineage.cell[i];
  const event = eventNear(cell, frame);
  set({ selected: { cell, place: lineage.place(i) }, eventId: event?.event_id ?? null });
}

/** Select a cell and go where it is at that time, or at the nearest time of its life; `event` is null where none is meant. */
export function goToCell(cell, frame = state.frame, { closely = false, event = undefined } = {}) {
  const place = state.lineage.placeOf(cell, frame);
  if (!place) return;
  const own = event === undefined ? eventNear(cell, place.frame) : event;
  set({ frame: place.frame, playing: false, selected: { cell, place }, eventId: own?.event_id ?? null });
  show(place, closely);
}

export function goToEvent(event) {
  const before = Math.max(event.frame - 1, 0);
  goToCell(event.mother, event.event_type === "mitosis" ? before : event.frame, { closely: true, event });
}

/** Go to a place; the cell there is selected. */
export function goToPlace(place, closely = true) {
  set({ frame: place.frame, playing: false });
  const i = state.lineage.near(place.frame, place.y_px, place.x_px, 1.5);
  selectNucleus(i);
  show(place, closely);
}

export function goToItem(item) {
  set({ item: item.key });
  const event = item.event_id === null ? null : state.lineage.eventById.get(item.event_id);
  if (event) return goToEvent(event);
  if (item.cell !== null && item.cell >= 0) return goToCell(item.cell, item.frame, { closely: true, event: null });
  goToPlace(item);
  set({ eventId: null });
}

/** What is selected, in terms that hold when everything is numbered anew. */
export function remembered() {
  const event = state.lineage?.eventById.get(state.eventId);
  return { place: state.selected?.place ?? null, event: event ? { frame: event.frame, type: event.event_type,
    y: event.ref.mother.y_px, x: event.ref.mother.x_px } : null };
}

/** The nucleus at a place; where it is gone, the cell's nearest one in time. */
function atOrNear(place) {
  for (const by of [0, -1, 1, -2, 2]) {
    const i = state.lineage.near(place.frame + by, place.y_px, place.x_px, 1.5);
    if (i >= 0) return i;
  }
  return -1;
}

/** Select again what was selected before the tables changed. */
export function recall({ place, event }) {
  const { lineage } = state;
  const i = place ? atOrNear(place) : -1;
  const cell = i >= 0 ? lineage.cell[i] : -1;
  const far = e => Math.hypot(e.ref.mother.y_px - event.y, e.ref.mother.x_px - event.x) + 3 * Math.abs(e.frame - event.frame);
  const same = event ? lineage.events.filter(e => e.event_type === event.type && Math.abs(e.frame - event.frame) <= 3) : [];
  const nearest = same.sort((a, b) => far(a) - far(b))[0];
  const item = state.worklist.items.find(one => one.key === state.item);
  const isOfCell = item && item.event_id === null && item.cell === cell;
  const found = nearest && far(nearest) < 20 ? nearest : isOfCell ? null : eventNear(cell, state.frame);
  set({ selected: i >= 0 ? { cell, place } : null, eventId: found?.event_id ?? null });
}
