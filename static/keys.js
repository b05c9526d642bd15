// One key, or `g` and one: as the help dialog lists them. Typing in a field is left alone.
const base = document.body.dataset.base;
const PLACES = {
  o: "/dashboard/observability",
  c: "/dashboard/charts",
  j: "/dashboard/jobs",
  e: "/dashboard/errors",
  q: "/dashboard/queues",
  k: "/dashboard/workers",
  s: "/dashboard/schedules",
  h: "/dashboard/history",
  a: "/dashboard/agents",
  d: "/dashboard/admin",
  w: "/dashboard/alerts",
  l: "/dashboard/logs",
  u: "/dashboard/uploads",
};
const SECOND_KEY_MS = 1500;
const help = document.getElementById("help");
let going = 0;

function search() {
  const field = document.querySelector("[data-search]");
  field?.closest("details")?.setAttribute("open", "");
  field?.focus();
  field?.select?.();
  return Boolean(field);
}

// The bar behind a list, which is many rows away from the one that was ticked last.
function toChosen() {
  const parts = [...document.querySelectorAll("#bulk .all input, #bulk .button")];
  const first = parts.find((part) => part.getClientRects().length);
  first?.focus();
  return Boolean(first);
}

function step(event, by) {
  const links = [...(event.target.closest("[data-links]") ?? document).querySelectorAll("[data-links] a.name, a.name")];
  const at = links.indexOf(document.activeElement);
  if (at < 0) return false;
  links[Math.min(Math.max(at + by, 0), links.length - 1)].focus();
  return true;
}

function act(event) {
  if (Date.now() < going && PLACES[event.key]) {
    location.assign(base + PLACES[event.key]);
    return true;
  }
  going = event.key === "g" ? Date.now() + SECOND_KEY_MS : 0;
  switch (event.key) {
    case "p":
      document.querySelector("[data-action=pause]")?.click();
      return true;
    case "?":
      help?.showModal();
      return true;
    case "/":
      return search();
    case "b":
      return toChosen();
    case "ArrowDown":
      return step(event, 1);
    case "ArrowUp":
      return step(event, -1);
    default:
      return false;
  }
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || help?.open) return;
  if (event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
  if (act(event)) event.preventDefault();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-action=help]")) help?.showModal();
  else if (event.target === help) help.close();
});
