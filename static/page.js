// What every page does with a script. Each module looks for its own marks and rests where there are none.
import "./theme.js";
import "./keys.js";
import "./copy.js";
import "./find.js";
import { startCharts } from "./charts.js";
import { startLive } from "./live.js";
import { startLogs } from "./logs.js";
import { startMarkTips } from "./mark-tip.js";
import { startPictures } from "./png.js";
import { keepPlaces } from "./places.js";
import { keepSteady } from "./steady.js";
import { countTimes, sayTimes } from "./times.js";
import { startZoom } from "./zoom.js";

const FLASH_MS = 400;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const said = new WeakMap();

// A figure that changed shows it for a moment.
function flash(part) {
  for (const figure of part.querySelectorAll("[data-figure]")) {
    const before = said.get(figure);
    said.set(figure, figure.textContent);
    if (before === undefined || before === figure.textContent || still.matches) continue;
    figure.animate([{ color: "var(--accent)" }, {}], { duration: FLASH_MS, easing: "ease-out" });
  }
}

function refresh(part) {
  flash(part);
  sayTimes(part);
  for (const text of part.querySelectorAll("[data-origin]")) {
    const here = location.origin + document.body.dataset.base;
    if (text.dataset.origin !== here) text.textContent = text.textContent.replaceAll(text.dataset.origin, here);
  }
}

refresh(document);
document.documentElement.setAttribute("data-said", "");
document.addEventListener("htmx:after:swap", (event) => refresh(event.detail.ctx.target ?? document));
setInterval(() => document.hidden || sayTimes(document), 10_000);
setInterval(() => document.hidden || countTimes(), 1000);
document.addEventListener("visibilitychange", () => document.hidden || sayTimes(document));

// How a form went is said once, not at each reload.
const here = new URL(location.href);
if (here.searchParams.has("told")) {
  here.searchParams.delete("told");
  history.replaceState(history.state, "", here);
}

// Where the pages' names don't fit, that of this one is in sight.
const tab = document.querySelector(".tabs [aria-current]");
if (tab) tab.parentElement.scrollLeft = tab.offsetLeft - tab.parentElement.offsetLeft - tab.parentElement.clientWidth / 3;

startCharts();
startMarkTips();
startZoom();
startPictures();
keepSteady();
keepPlaces();
startLogs();
startLive();
// From here on a new row slides in; those of the first paint stood there.
setTimeout(() => document.documentElement.setAttribute("data-moving", ""), 1000);
