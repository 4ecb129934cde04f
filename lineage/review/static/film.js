// The film of an event: twelve frames ten minutes apart, DNA above and phase contrast below, with their minutes.

import { getPicture } from "./api.js";
import { el } from "./dom.js";
import { on, remember, remembered, state } from "./store.js";

const FRAMES = 12, SEPARATION = 3, MINUTES = 10;
const LABEL = 15, WIDE = 484; // pixels of the page: a line of minutes, and the width that the film has about
let films = new Map(); // event -> its film, or null where there is none

export function mount() {
  on(["lineage", "m"], () => { films = new Map(); });
}

/** In one row, or larger in two; `where` remembers which. */
export function film(event, where, large) {
  if (!event.has_crop) return null;
  const isLarge = () => remembered(`film-${where}`, String(large)) === "true";
  const canvas = el("canvas", { role: "img", "aria-label": `Film of event ${event.event_id}, minutes from the separation` });
  const strip = el("div", { class: "film", title: "Minutes from the separation. Click: larger or smaller", onclick: () => {
    remember(`film-${where}`, String(!isLarge()));
    show(films.get(event.event_id));
  } }, canvas);
  const show = picture => {
    if (!picture) return strip.remove();
    strip.classList.toggle("large", isLarge());
    draw(canvas, picture, isLarge() ? FRAMES / 2 : FRAMES);
  };
  const known = films.get(event.event_id);
  if (known !== undefined) show(known);
  else {
    [canvas.width, canvas.height] = [WIDE, isLarge() ? 340 : 95]; // its room, so that nothing jumps
    getPicture(`movies/${state.m}/film/${event.event_id}.png`).catch(() => null).then(picture => {
      films.set(event.event_id, picture);
      show(picture);
    });
  }
  return strip;
}

function draw(canvas, picture, perRow) {
  const tile = picture.width / FRAMES;
  const wide = perRow * tile;
  const label = LABEL * wide / WIDE;
  const high = picture.height + label;
  [canvas.width, canvas.height] = [wide, high * FRAMES / perRow];
  const context = canvas.getContext("2d");
  context.fillStyle = "#0b0d10";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.font = `${11 * wide / WIDE}px system-ui, sans-serif`;
  context.textAlign = "center";
  for (let k = 0; k < FRAMES; k++) {
    const [x, y] = [(k % perRow) * tile, Math.floor(k / perRow) * high];
    context.drawImage(picture, k * tile, 0, tile, picture.height, x + 1, y, tile - 2, picture.height);
    const minutes = (k - SEPARATION) * MINUTES;
    context.fillStyle = minutes ? "#aab3c0" : "#FFD54A";
    context.fillText(minutes ? `${minutes > 0 ? "+" : "−"}${Math.abs(minutes)}` : perRow < FRAMES ? "0 min" : "0", x + tile / 2, y + high - 0.28 * label);
    if (minutes) continue;
    context.strokeStyle = "#FFD54A";
    context.lineWidth = 1.5 * wide / WIDE;
    context.strokeRect(x + 1, y + 1, tile - 2, picture.height - 2);
  }
}
