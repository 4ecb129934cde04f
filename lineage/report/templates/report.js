"use strict";
const byTime = [...document.querySelectorAll("#events article")];
const verdictButtons = document.querySelectorAll(".filters button[data-show]");
const kind = document.getElementById("kind");
let verdict = "all";

// Filter the film strips by verdict and by what was seen; rejected proposals are shown only if asked for.
function filter() {
  let n = 0;
  byTime.forEach(article => {
    const { verdict: own, kind: seen } = article.dataset;
    const fits = (verdict === "all" ? own !== "not_a_mitosis" : own === verdict) && (kind.value === "all" || seen === kind.value);
    article.hidden = !fits;
    n += fits;
  });
  document.getElementById("shown").textContent = n + " shown";
  verdictButtons.forEach(button => button.setAttribute("aria-pressed", button.dataset.show === verdict));
}
verdictButtons.forEach(button => button.addEventListener("click", () => { verdict = button.dataset.show; filter(); }));
if (kind) kind.addEventListener("change", filter);

const doubtful = document.getElementById("doubtful");
if (doubtful) doubtful.addEventListener("click", () => {
  const pressed = doubtful.getAttribute("aria-pressed") !== "true";
  const order = pressed ? [...byTime].sort((a, b) => a.dataset.doubt - b.dataset.doubt) : byTime;
  order.forEach(article => article.parentNode.appendChild(article));
  doubtful.setAttribute("aria-pressed", pressed);
});

// Bring something into view, whatever hides it: a filter, or a folded section.
function reveal(target) {
  if (target.matches("article") && target.hidden) {
    verdict = "all";
    kind.value = "all";
    filter();
    target.hidden = false;
  }
  for (let fold = target.closest("details"); fold; fold = fold.parentNode.closest("details")) fold.open = true;
  document.querySelectorAll(".found").forEach(other => other.classList.remove("found"));
  target.classList.add("found");
  target.scrollIntoView({ block: "center" });
}
document.querySelectorAll("a[href^='#event-']").forEach(link => link.addEventListener("click", () => {
  const target = document.getElementById(link.getAttribute("href").slice(1));
  if (target) reveal(target);
}));

// What has this number: the cell's line in the lineages, the event, and the mitoses of the cell or of its birth.
function having(number) {
  const found = [];
  const line = document.querySelector(`[data-cell="${number}"]`);
  const event = document.getElementById("event-" + number);
  if (line) found.push(["cell " + number + " in the lineages", line]);
  if (event) found.push(["event " + number, event]);
  byTime.forEach(article => {
    const cells = article.dataset.cells.split(" ");
    const which = cells[0] === number ? "mitosis of cell " : "birth of cell ";
    if (cells.includes(number)) found.push([which + number + " (event " + article.id.slice(6) + ")", article]);
  });
  return found;
}
const find = document.getElementById("find");
if (find) find.addEventListener("submit", submitted => {
  submitted.preventDefault();
  const digits = document.getElementById("number").value.match(/\d+/);
  const found = digits ? having(String(Number(digits[0]))) : [];
  const links = found.map(([words, target]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = words;
    button.addEventListener("click", () => reveal(target));
    return button;
  });
  document.getElementById("found").replaceChildren(...(links.length ? links : ["no cell and no event has this number"]));
  if (found.length === 1) reveal(found[0][1]);
});

const copy = document.getElementById("copy");
copy.addEventListener("click", () => {
  getSelection().selectAllChildren(document.getElementById("methods-text"));
  copy.textContent = document.execCommand("copy") ? "copied" : "selected: copy it with the keyboard";
});
