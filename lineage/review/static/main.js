// The page: which movie is open, what is loaded when, and everything put in its place.

import { ApiError, getBuffer, getJson, takeToken } from "./api.js";
import * as contrast from "./contrast.js";
import * as corrections from "./corrections.js";
import * as details from "./details.js";
import { byId, el, icon } from "./dom.js";
import { recall, remembered as selection } from "./find.js";
import * as film from "./film.js";
import * as judge from "./judge.js";
import * as keys from "./keys.js";
import { Lineage } from "./lineage.js";
import * as movie from "./movie.js";
import * as movies from "./movies.js";
import { corrections as standing, reread, settle } from "./said.js";
import * as status from "./status.js";
import { notify, on, remember, remembered, set, state } from "./store.js";
import * as toolbar from "./toolbar.js";
import * as tools from "./tools.js";
import * as transport from "./transport.js";
import * as tree from "./tree.js";
import { hours } from "./words.js";
import * as worklist from "./worklist.js";

const EVERY = 1000; // milliseconds between two questions whether something changed
const TABS = { worklist: "Work list", cell: "Cell", corrections: "Corrections" };

async function begin() {
  theme(remembered("theme", ""));
  takeToken();
  try {
    const session = await getJson("session");
    if (session.mode === "sample") return location.replace("/static/sample.html");
    mount();
    set({ session, who: remembered("who", session.who) });
    for (const key of ["outlines", "tracks", "follow"]) set({ [key]: remembered(key, String(state[key])) === "true" });
    set({ colour: remembered("colour", state.colour) });
    if (!session.read_only && !remembered("who", "")) await askName();
    await route();
    window.addEventListener("hashchange", () => route().catch(failed));
    poll();
  } catch (error) {
    failed(error);
  }
}

function failed(error) {
  const unknown = error instanceof ApiError && [401, 403].includes(error.status);
  message(unknown ? "Open the address that the terminal shows: it holds the key to this page." : error.message);
  if (!(error instanceof ApiError)) throw error;
}

/** Words in place of the page, with a way back to the listing where there is one. */
function message(words) {
  const back = state.movies.length > 1 ? el("button", { onclick: () => { location.hash = ""; } }, "All movies") : null;
  byId("message").replaceChildren(el("span", {}, words), ...(back ? [back] : []));
  byId("message").hidden = false;
}

function mount() {
  tree.mount(byId("tree"));
  movie.mount(byId("movie"));
  for (const part of [toolbar, transport, worklist, film, judge, contrast, details, corrections, status, keys]) part.mount();
  byId("tabs").append(...Object.entries(TABS).map(([tab, words]) =>
    el("button", { role: "tab", "data-tab": tab, onclick: () => set({ tab }) }, words)));
  on("tab", tabs);
  on(["worklist", "corrections"], counts);
  tabs();
  byId("theme").append(icon("M8 2a6 6 0 1 0 .01 0", "M8 2.5v11M9.5 3v10M11 4v8M12.5 5.5v5"));
  byId("theme").addEventListener("click", () => theme(isDark() ? "light" : "dark"));
  byId("who").addEventListener("click", askName);
  byId("all-movies").addEventListener("click", () => { location.hash = ""; });
}

function tabs() {
  for (const tab of byId("tabs").children) tab.setAttribute("aria-selected", String(tab.dataset.tab === state.tab));
  for (const tab of Object.keys(TABS)) byId(`panel-${tab}`).hidden = tab !== state.tab;
}

function counts() {
  const numbers = { worklist: worklist.counted()[0], corrections: standing().length };
  for (const tab of byId("tabs").children)
    tab.replaceChildren(TABS[tab.dataset.tab], numbers[tab.dataset.tab] ? el("small", {}, numbers[tab.dataset.tab]) : "");
}

// Light, dark, names

const isDark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => set({ theme: {} }));

function theme(name) {
  if (name) document.documentElement.dataset.theme = name;
  remember("theme", name);
  set({ theme: {} });
}

function askName() {
  const dialog = byId("name-dialog");
  byId("name").value = state.who;
  dialog.showModal();
  byId("name").select();
  return new Promise(done => {
    dialog.addEventListener("close", () => {
      const who = byId("name").value.trim() || state.who || "somebody";
      remember("who", who);
      set({ who });
      done();
    }, { once: true });
  });
}

// A movie

/** The address says which movie: `#3`; without one, the listing, or the only movie that there is. */
async function route() {
  set({ movies: await getJson("movies") });
  const wanted = Number.parseInt(location.hash.slice(1), 10);
  const isOnly = state.session.mode === "run" && state.movies.length === 1;
  const m = Number.isNaN(wanted) && isOnly ? state.movies[0].m : wanted;
  byId("message").hidden = true;
  byId("all-movies").hidden = isOnly || Number.isNaN(m);
  if (Number.isNaN(m)) return listing();
  if (m !== state.m) await open(m);
}

function listing() {
  set({ m: null, movie: null, lineage: null, edit: null, playing: false });
  document.title = "Review";
  byId("title").textContent = "Review";
  byId("facts").textContent = "";
  byId("desk").hidden = byId("status").hidden = true;
  byId("movies").hidden = false;
  movies.list(m => { location.hash = m; });
  if (state.movies.some(movies.isUncounted)) setTimeout(recount, EVERY);
}

async function recount() {
  const found = await getJson("movies").catch(() => state.movies);
  if (state.m !== null) return; // one was opened meanwhile
  set({ movies: found });
  listing();
}

async function open(m) {
  byId("movies").hidden = true;
  byId("desk").hidden = byId("status").hidden = false;
  set({ m, movie: null, lineage: null, selected: null, eventId: null, item: null, edit: null, levels: {}, fitted: false, frame: 0, playing: false,
    corrections: { lines: [], unreadable: [] }, progress: null });
  await finished(m);
  if (state.m !== m) return; // another was opened meanwhile
  const about = await getJson(`movies/${m}`);
  about.diameter_px ??= Math.min(...about.shape) / 20; // of a movie without nuclei
  set({ movie: about, layer: "dna" });
  head(about);
  movie.begin();
  set({ progress: await getJson(`movies/${m}/state`) });
  await reload();
  if (about.warnings?.length) notify(about.warnings[0], false);
}

/** Wait where the server was killed while it redid the run: that is finished first. */
async function finished(m) {
  for (;;) {
    const { working, results } = await getJson(`movies/${m}/state`);
    if (state.m !== m) return;
    byId("message").hidden = true;
    if (!working || results !== null) return;
    message("The results of this movie are being finished. It opens by itself.");
    await new Promise(go => setTimeout(go, EVERY));
  }
}

function head({ name, n_frames, shape, pixel_size_um, minutes_per_frame, dose_gy }) {
  document.title = name;
  byId("title").textContent = byId("title").title = name;
  byId("facts").textContent = [dose_gy === null || dose_gy === undefined ? "" : `${dose_gy} Gy`, `${n_frames} frames, ${hours((n_frames - 1) * minutes_per_frame)} h`,
    `${shape[1]} × ${shape[0]} px`, `${Number(pixel_size_um.toPrecision(4))} µm a pixel`].filter(Boolean).join("  ·  ");
}

/** Everything that a run's results change. What is selected is found again by its place. */
async function reload() {
  const m = state.m;
  const part = name => getJson(`movies/${m}/${name}`);
  const [nuclei, cells, events, list] = await Promise.all([getBuffer(`movies/${m}/nuclei`), part("cells"), part("events"), part("worklist")]);
  if (state.m !== m) return;
  const [kept, picks] = [selection(), places()]; // of now: people go on while it is loaded
  set({ lineage: new Lineage(nuclei, cells, events, state.movie.n_frames), worklist: list });
  recall(kept);
  if (picks) pickAgain(picks);
  movie.refresh();
  await reread();
}

/** Where the nuclei are that a tool has taken; null where it has none. */
function places() {
  const { edit, lineage } = state;
  return edit?.tool.takes === "nuclei" && lineage ? edit.picks.map(i => lineage.place(i)) : null;
}

function pickAgain(picks) {
  const found = picks.map(p => state.lineage.near(p.frame, p.y_px, p.x_px));
  if (found.every(i => i >= 0)) set({ edit: { ...state.edit, picks: found } });
  else tools.leave();
}

// What changes meanwhile

async function poll() {
  try {
    if (state.m !== null && state.lineage && !document.hidden) await look();
    if (state.offline) set({ offline: false });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if ([401, 403].includes(error.status)) failed(error); // the server was started anew: this page's token is none
    else if (error.status === 0) set({ offline: true });
    else notify(error.message, true);
  } finally {
    setTimeout(poll, EVERY);
  }
}

async function look() {
  const m = state.m;
  const [before, now] = [state.progress, await getJson(`movies/${m}/state`)];
  if (state.m !== m) return;
  set({ progress: now });
  if (now.results !== before.results) return reload();
  if (now.lines !== before.lines) {
    set({ worklist: await getJson(`movies/${m}/worklist`) });
    await reread();
  } else settle();
}

begin();
