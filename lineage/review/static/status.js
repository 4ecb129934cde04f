// The line at the bottom: is all saved, is it being worked in, what just happened, how much is left.

import { byId, el } from "./dom.js";
import { corrections, notApplied, pending } from "./said.js";
import { on, state } from "./store.js";
import { count } from "./words.js";
import { counted } from "./worklist.js";

let fading = 0;

export function mount() {
  on(["progress", "offline", "corrections", "session"], saved);
  on("notice", notice);
  on(["worklist", "corrections", "progress"], () => {
    const [left, done] = counted();
    byId("left-to-do").textContent = `${left} left, ${done} done`;
  });
  on("who", () => { byId("who").textContent = state.who; });
}

function saved() {
  const { progress, offline, session } = state;
  const n = pending().length;
  const [kind, words] =
    offline ? ["bad", "The server does not answer; what you said is written, new corrections have to wait"]
    : progress?.error ? ["bad", `Saved, but not worked in: ${progress.error}`]
    : progress?.working ? ["working", n ? `Saved; ${count(n, "correction")} being worked in` : "Saved; being worked in"]
    : n ? ["working", `Saved; ${count(n, "correction")} to be worked in`]
    : session?.read_only ? ["good", "Read only"]
    : ["good", all()];
  byId("saved").className = kind;
  byId("saved").replaceChildren(el("i", { class: "lamp" }), words);
  byId("saved").title = words;
}

function all() {
  const n = corrections().length;
  const others = corrections().filter(line => line.who !== state.who).length;
  const seconds = state.progress?.seconds;
  if (!n) return "No corrections yet";
  const by = others ? `, ${others} by others` : "";
  const lost = notApplied().length ? `, ${notApplied().length} not applied` : "";
  return `Saved: ${count(n, "correction")}${by}${lost}${seconds ? `; worked in within ${seconds.toFixed(1)} s` : ""}`;
}

function notice() {
  clearTimeout(fading);
  const { notice: now } = state;
  byId("notice").textContent = now?.words ?? "";
  byId("notice").title = now?.words ?? "";
  byId("notice").className = now?.bad ? "bad" : "";
  fading = setTimeout(() => { byId("notice").textContent = ""; }, now?.bad ? 9000 : 4000);
}
