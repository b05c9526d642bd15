// A span that is selected in a chart becomes the page's own: by dragging over it, or by the keys of a chart that has the focus.
// Where `data-zoom` of the page says which page shows such spans; where nothing does, charts are only pointed at.
import { hideTip, linkInTip, showTip } from "./mark-tip.js";
import { marksIn } from "./marks.js";
import { momentAt, placeOf, stepOf, xOf } from "./moments.js";
import { pointAt, select } from "./together.js";
import { sayStamp } from "./times.js";

const MOVED_PX = 6; // less than that is a click or a tap
const LEAST_MS = 60_000; // a shorter span is widened to that
let drag = null; // {chart, pointer, x, from, moved}
let span = null; // what is selected, in whole steps
const cursors = new WeakMap(); // of a chart that has or had the focus: {at, anchor}

function chartOf(target) {
  const canvas = target.closest?.("[data-chart] canvas");
  const chart = canvas && window.Chart?.getChart(canvas);
  return chart?.data.times?.length ? chart : null;
}

function place() {
  return document.querySelector("[data-zoom]")?.dataset.zoom;
}

// What is chosen besides the span stays as it is.
function go({ from, until }) {
  const less = Math.max(0, LEAST_MS - (until - from)) / 2;
  const url = new URL(place() + location.search, location.href);
  const said = (moment) => new Date(moment).toISOString().replace(".000Z", "Z");
  url.searchParams.set("from", said(from - less));
  url.searchParams.set("to", said(until + less));
  url.search = url.search.replaceAll("%3A", ":");
  location.assign(url);
}

// Selects whole steps, from one place to another.
function choose(chart, one, other) {
  span = { from: stepOf(chart, Math.min(one, other)).from, until: stepOf(chart, Math.max(one, other)).until };
  select({ ...span, says: saySpan() });
}

function saySpan() {
  const [from, until] = [span.from, span.until].map((moment) => sayStamp(moment));
  const whole = span.from % 60_000 === 0 && span.until % 60_000 === 0;
  return [from, until].map((text) => (whole ? text.replace(/:00$/, "") : text)).join(" – ");
}

function letGo() {
  drag = null;
  if (!span) return false;
  span = null;
  select(null);
  return true;
}

function begin(event) {
  const chart = chartOf(event.target);
  if (!chart || !place() || event.button || !event.isPrimary) return;
  letGo();
  drag = { chart, pointer: event.pointerId, x: event.offsetX, from: momentAt(chart, event.offsetX), moved: false };
}

function move(event) {
  if (drag?.pointer !== event.pointerId || !drag.chart.ctx) return;
  if (!drag.moved && Math.abs(event.offsetX - drag.x) < MOVED_PX) return;
  if (!drag.moved) drag.chart.canvas.setPointerCapture(event.pointerId);
  drag.moved = true;
  hideTip();
  choose(drag.chart, Math.max(placeOf(drag.chart, drag.from), 0), placeOf(drag.chart, momentAt(drag.chart, event.offsetX)));
}

function end(event) {
  if (drag?.pointer !== event.pointerId) return;
  const wanted = drag.moved && span;
  drag = null;
  if (wanted) go(wanted);
}

// Where the cursor stands, to begin with at the newest point.
function cursorOf(chart) {
  const last = chart.data.times.length - 1;
  const cursor = cursors.get(chart) ?? { at: last, anchor: null };
  cursors.set(chart, cursor);
  cursor.at = Math.min(cursor.at, last);
  return cursor;
}

function tell(chart) {
  const { canvas, data } = chart;
  const { at } = cursorOf(chart);
  const step = stepOf(chart, at);
  const marks = marksIn(chart, step);
  const told = [...data.tell(at), ...marks.map(({ kind, label }) => `${kind} ${label}`)].join(", ") || "nothing known";
  const words = `${sayStamp(step.from)}: ${told}${span ? `; selected ${saySpan()}` : ""}`;
  canvas.setAttribute("aria-valuemax", data.times.length - 1);
  canvas.setAttribute("aria-valuenow", at);
  canvas.setAttribute("aria-valuetext", words);
  pointAt(chart, at);
  if (marks.length) showTip(chart, marks, xOf(chart, marks[0].at * 1000));
  else hideTip();
}

function step(chart, by, selecting) {
  const cursor = cursorOf(chart);
  const was = cursor.at;
  cursor.at = Math.min(Math.max(cursor.at + by, 0), chart.data.times.length - 1);
  if (selecting && place()) {
    cursor.anchor ??= was;
    choose(chart, cursor.anchor, cursor.at);
  } else {
    cursor.anchor = null;
    letGo();
  }
  tell(chart);
}

function act(chart, { key, shiftKey }) {
  const steps = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };
  if (key in steps) step(chart, steps[key], shiftKey);
  else if (key === "Enter" && span) go(span);
  else if (key === "Enter") linkInTip()?.click();
  else return false;
  return true;
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const chart = chartOf(event.target);
  if (event.key === "Escape") {
    if (chart) cursorOf(chart).anchor = null;
    if (letGo() || hideTip()) event.preventDefault();
    else if (chart) pointAt(chart, undefined);
  } else if (chart && act(chart, event)) {
    event.preventDefault();
  }
}

export function startZoom() {
  document.addEventListener("pointerdown", begin);
  document.addEventListener("pointermove", move);
  document.addEventListener("pointerup", end);
  document.addEventListener("pointercancel", letGo);
  document.addEventListener("keydown", press);
  document.addEventListener("dblclick", ({ target }) => chartOf(target) && document.querySelector("[data-zoom-out]")?.click());
  document.addEventListener("focusin", ({ target }) => target.matches?.(":focus-visible") && chartOf(target) && tell(chartOf(target)));
  document.addEventListener("focusout", ({ target }) => chartOf(target) && pointAt(chartOf(target), undefined));
}
