// What every page does with a script. Each module looks for its own marks and rests where there are none.
import "./theme.js";
import "./keys.js";
import "./copy.js";
import "./find.js";
import { startCharts } from "./charts.js";
import { startLive } from "./live.js";
import { sayTimes } from "./times.js";

function refresh(part) {
  sayTimes(part);
  for (const text of part.querySelectorAll("[data-origin]")) {
    const here = location.origin + document.body.dataset.base;
    if (text.dataset.origin !== here) text.textContent = text.textContent.replaceAll(text.dataset.origin, here);
  }
}

refresh(document);
document.addEventListener("htmx:after:swap", (event) => refresh(event.detail.ctx.target ?? document));
setInterval(() => document.hidden || sayTimes(document), 10_000);
document.addEventListener("visibilitychange", () => document.hidden || sayTimes(document));

startCharts();
startLive();
