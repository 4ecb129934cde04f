// Above the movie: what is shown, and the tools; and the line that says what a tool wants next.

import * as contrast from "./contrast.js";
import { byId, el, icon } from "./dom.js";
import { fit } from "./movie.js";
import { on, remember, set, state } from "./store.js";
import { TOOLS, start } from "./tools.js";

const VIEWS = [
  { key: "outlines", name: "Outlines", on: () => state.outlines, press: () => toggle("outlines"), keys: "o",
    icon: ["M8 2.5c4 0 5.5 2.5 5.5 5.5s-2.5 5.5-5.5 5.5S2.5 11 2.5 8 4 2.5 8 2.5"] },
  { key: "tracks", name: "Tracks of the last ten frames", on: () => state.tracks, press: () => toggle("tracks"), keys: "t",
    icon: ["M2 13c3 0 3-4 6-4s3-5 6-6", "M14 3.01v0"] },
  { key: "colour", name: "Colour by verdict, not lineage", on: () => state.colour === "verdict", press: colour, keys: "c",
    icon: ["M8 2s4 4.5 4 7.5a4 4 0 0 1-8 0C4 6.5 8 2 8 2"] },
  { key: "follow", name: "Keep the selected cell in the middle", on: () => state.follow, press: () => toggle("follow"), keys: "h",
    icon: ["M8 1v4M8 11v4M1 8h4M11 8h4", "M8 7.5v1"] },
  { key: "levels", name: "Contrast", on: () => !byId("levels").hidden, press: levels, keys: "e",
    icon: ["M8 2a6 6 0 1 0 .01 0", "M8 2v12M10 4v8M12 6v4"] },
  { key: "contrast", name: "Contrast of the selection", on: () => state.fitted, press: () => contrast.toggle(), keys: "Shift+E",
    icon: ["M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3", "M8 5.5a2.5 2.5 0 1 0 .01 0M8 5.5v5M9 6.5v3"] },
  { key: "fit", name: "All of the field", on: () => false, press: () => fit(), keys: "z",
    icon: ["M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4"] },
];

export function mount() {
  on(["movie", "layer", "levels"], layers);
  on(["session", "movie"], draw);
  on(["outlines", "tracks", "colour", "follow", "edit", "layer", "fitted"], pressed);
  on("edit", hint);
}

function draw() {
  if (!state.session || !state.movie) return;
  const button = (name, keys, paths, more) =>
    el("button", { class: "square", "data-tip": `${name}  (${keys})`, "aria-label": name, ...more }, icon(...paths));
  const views = VIEWS.map(v => button(v.name, v.keys, v.icon, { onclick: v.press, "data-view": v.key }));
  const tools = group => TOOLS.filter(t => t.group === group)
    .map(t => button(t.name, t.key, t.icon, { onclick: () => start(t.id), "data-tool": t.id }));
  const edit = state.session.read_only ? [] : [
    el("div", { class: "group", role: "group", "aria-label": "Correct tracks" }, tools("tracks")),
    el("div", { class: "group", role: "group", "aria-label": "Correct outlines" }, tools("outlines")),
  ];
  byId("toolbar").replaceChildren(
    el("div", { class: "group segments", role: "group", "aria-label": "Channels", id: "layers" }),
    el("div", { class: "group", role: "group", "aria-label": "View" }, views), el("span", { class: "room" }), ...edit);
  byId("no-pixels").hidden = state.movie.has_pixels;
  byId("no-pixels").textContent = byId("no-pixels").title = state.movie.has_pixels ? "" : state.movie.warnings[0];
  layers();
  pressed();
}

/** The channels that there are; further ones by their names. */
function layers() {
  const { movie } = state;
  if (!byId("layers") || !movie) return;
  const has = role => movie.channels.some(c => c.role === role);
  const choices = [["dna", "DNA", "d", has("nucleus")], ["phase", "Phase", "f", has("phase")],
    ["both", "Both", "b", has("nucleus") && has("phase")]];
  const further = movie.channels.filter(c => c.role === "other").map(c => [c.index, c.name, "Shift+D", true]);
  byId("layers").replaceChildren(...[...choices, ...further].map(([layer, name, keys, isThere]) => el("button", {
    disabled: !isThere || !movie.has_pixels, onclick: () => set({ layer }), "aria-pressed": String(state.layer === layer),
    "data-tip": isThere ? `${name}  (${keys})` : "This movie has no phase contrast",
  }, name)));
  if (!byId("levels").hidden) sliders();
}

function pressed() {
  for (const button of byId("toolbar").querySelectorAll("[data-view]"))
    button.setAttribute("aria-pressed", String(VIEWS.find(v => v.key === button.dataset.view).on()));
  for (const button of byId("toolbar").querySelectorAll("[data-tool]"))
    button.setAttribute("aria-pressed", String(state.edit?.tool.id === button.dataset.tool));
}

function hint() {
  const { edit } = state;
  byId("hint").hidden = !edit;
  byId("movie").classList.toggle("tool", Boolean(edit));
  if (!edit) return;
  const words = edit.asking ? "The network looks ..." : edit.tool.hint(edit.picks.length);
  byId("hint").replaceChildren(el("b", {}, edit.tool.name), ` ${words}`, el("span", { class: "soft" }, "Esc leaves"));
}

export function toggle(key) {
  set({ [key]: !state[key] });
  remember(key, String(state[key]));
}

export function colour() {
  set({ colour: state.colour === "verdict" ? "lineage" : "verdict" });
  remember("colour", state.colour);
}

/** The next of the further channels. */
export function furtherChannel() {
  const others = state.movie.channels.filter(c => c.role === "other").map(c => c.index);
  if (others.length) set({ layer: others[(others.indexOf(state.layer) + 1) % others.length] });
}

export function setLayer(layer) {
  const button = [...byId("layers").children][["dna", "phase", "both"].indexOf(layer)];
  if (!button.disabled) set({ layer });
}

// Contrast

export function levels() {
  byId("levels").hidden = !byId("levels").hidden;
  if (!byId("levels").hidden) sliders();
  pressed();
}

function shownChannels() {
  const of = role => state.movie.channels.filter(c => c.role === role);
  if (state.layer === "both") return [...of("nucleus"), ...of("phase")];
  if (state.layer === "dna") return of("nucleus");
  return state.layer === "phase" ? of("phase") : state.movie.channels.filter(c => c.index === state.layer);
}

/** Two sliders a channel: what is black, and what is white. */
function sliders() {
  if (byId("levels").contains(document.activeElement) && document.activeElement.type === "range") return;
  byId("levels").replaceChildren(...shownChannels().map(one), el("button", { onclick: () => contrast.byHand({}) }, "As they were"));
}

function one({ index, name, role }) {
  const [low, high] = state.movie.levels[index];
  const now = state.levels[index] ?? [low, high];
  const span = high - low;
  const range = k => el("input", {
    type: "range", min: low - span, max: high + 2 * span, step: span / 200, value: now[k],
    "aria-label": `${name}: ${k ? "white" : "black"}`, oninput: changed,
  });
  const inputs = [range(0), range(1)];
  let waiting = 0;
  function changed() {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      const [black, white] = inputs.map(input => Number(input.value));
      contrast.byHand({ ...state.levels, [index]: [black, Math.max(white, black + span / 200)] });
    }, 60);
  }
  const title = { nucleus: "DNA", phase: "Phase" }[role] ?? name;
  return el("fieldset", {}, el("legend", {}, title), el("label", {}, "black", inputs[0]), el("label", {}, "white", inputs[1]));
}
