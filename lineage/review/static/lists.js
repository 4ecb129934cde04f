// A long list of which only the rows in sight are in the page.

import { el } from "./dom.js";

/**
 * @param {number} rowHeight in pixels
 * @param {(thing: object) => HTMLElement} row makes one
 */
export function longList(rowHeight, row) {
  const room = el("div", { class: "rows" });
  const element = el("div", { class: "list", tabIndex: 0 }, room);
  let things = [];
  let made = new Map();
  let revealed = -1;

  function draw() {
    const first = Math.max(0, Math.floor(element.scrollTop / rowHeight) - 4);
    const last = Math.min(things.length, first + Math.ceil(element.clientHeight / rowHeight) + 9);
    const now = new Map();
    for (let k = first; k < last; k++) now.set(k, made.get(k) ?? placed(row(things[k]), k));
    room.replaceChildren(...now.values());
    made = now;
  }

  function placed(made, k) {
    made.style.transform = `translateY(${k * rowHeight}px)`;
    made.style.height = `${rowHeight}px`;
    return made;
  }

  function reveal(k) {
    revealed = k;
    if (k < 0) return;
    const [top, bottom] = [k * rowHeight, (k + 1) * rowHeight];
    if (top < element.scrollTop) element.scrollTop = top;
    else if (bottom > element.scrollTop + element.clientHeight) element.scrollTop = bottom - element.clientHeight;
  }

  element.addEventListener("scroll", draw);
  new ResizeObserver(() => {
    draw();
    reveal(revealed); // it stays in sight when there is less room
  }).observe(element);
  return {
    element,
    show(all) {
      things = all;
      made = new Map();
      room.style.height = `${rowHeight * things.length}px`;
      draw();
    },
    reveal,
  };
}
