// The movies of a folder, with how far the work on each is.

import { byId, el } from "./dom.js";
import { state } from "./store.js";
import { count } from "./words.js";

/** `open(m)` is called for the one that is chosen. */
export function list(open) {
  const { movies } = state;
  const sum = key => movies.reduce((total, movie) => total + (movie[key] ?? 0), 0);
  const head = ["movie", "dose", "frames", "cells", "mitoses", "corrections", "looked through"];
  byId("movies").replaceChildren(
    el("h2", {}, count(movies.length, "movie")),
    el("p", { class: "soft" }, `${count(sum("n_corrections"), "correction")}, ${sum("n_todo")} left to look at`, movies.some(isUncounted) ? " so far" : ""),
    el("table", {}, el("thead", {}, el("tr", {}, head.map(words => el("th", {}, words)))), el("tbody", {}, movies.map(movie => row(movie, open)))));
}

/** Whether the server is still counting what is to be done in a movie. */
export const isUncounted = movie => movie.n_todo === null && !movie.error;

function row(movie, open) {
  const name = el("button", { class: "link", onclick: () => open(movie.m), title: movie.name }, movie.name);
  if (movie.error) return el("tr", { class: "broken" }, el("th", {}, name), el("td", { colSpan: 6 }, movie.error));
  const [done, all] = [movie.n_done, movie.n_done + movie.n_todo];
  const isCounted = movie.n_todo !== null;
  const bar = el("progress", { max: Math.max(all, 1), value: isCounted && !all ? 1 : done, "aria-label": "looked through" });
  const dose = movie.dose_gy === null ? "" : `${movie.dose_gy} Gy`;
  const numbers = [dose, movie.n_frames, movie.n_cells, movie.n_mitoses, movie.n_corrections];
  return el("tr", { onclick: event => event.target.closest("button") || open(movie.m) }, el("th", {}, name),
    numbers.map(value => el("td", {}, String(value ?? ""))), el("td", { class: "bar" }, bar, !isCounted ? "being counted" : all ? `${done} of ${all}` : "nothing doubtful"));
}
