// All charts over time of a page go together: pointing at a time in one tells of it in all, by a line through each chart there
// and one tooltip, or where they are many by a few words in each; a span that is selected in one is seen in all.
import { drawMarks, marksIn, sayMark } from "./marks.js";
import { chartsOverTime, placeIn, stepOf, xOf } from "./moments.js";

const MANY = 6; // more others than that would not fit into one tooltip
let pointed = null; // the step under the pointer, or of the cursor that keys move: from and until, in ms
let under = null; // the chart that it is in
let selected = null; // {from, until, says}

function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function others(chart) {
  return chartsOverTime().filter((each) => each !== chart);
}

function point(chart, at) {
  const next = at === undefined ? null : stepOf(chart, at);
  if (next?.from === pointed?.from && next?.until === pointed?.until) return false;
  pointed = next;
  under = next && chart;
  for (const other of others(chart)) other.draw();
  return true;
}

// Moves the cursor to a point of a chart, as the pointer would; away from all where none is named.
export function pointAt(chart, at) {
  const elements = at === undefined ? [] : chart.data.datasets.map((_, datasetIndex) => ({ datasetIndex, index: at }));
  point(chart, at);
  chart.setActiveElements(elements);
  chart.tooltip.setActiveElements(elements, { x: 0, y: 0 });
  chart.update("none");
}

export function select(span) {
  selected = span;
  for (const chart of chartsOverTime()) chart.draw();
}

// What happened in the step of a point, and what the other charts show then unless they say it themselves; a line of words each.
export function elsewhere(chart, at) {
  const there = stepOf(chart, at);
  const told = others(chart).length > MANY ? [] : others(chart).flatMap((other) => {
    const place = placeIn(other, there);
    const words = place < 0 ? [] : other.data.tell(place);
    return words.length ? [`${other.data.title}: ${words.join(", ")}`] : [];
  });
  return [...marksIn(chart, there).map((mark) => sayMark(mark, chart)), ...told];
}

// The tooltip tells of other charts too, so it is made anew when any of them got new points.
export function tellAnew() {
  if (under?.ctx) under.update("none");
}

function drawCursor(chart) {
  const { ctx, chartArea } = chart;
  const place = pointed ? placeIn(chart, pointed) : -1;
  if (place < 0) return;
  const x = chart.scales.x.getPixelForValue(place);
  ctx.strokeStyle = ink("--edge");
  ctx.setLineDash([2, 3]);
  ctx.beginPath();
  ctx.moveTo(x, chartArea.top);
  ctx.lineTo(x, chartArea.bottom);
  ctx.stroke();
  if (chart !== under && others(chart).length > MANY) drawTold(chart, x, chart.data.tell(place));
}

// What a chart shows there, beside its line.
function drawTold({ ctx, chartArea: { top, right } }, x, words) {
  if (!words.length) return;
  ctx.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const width = Math.max(...words.map((each) => ctx.measureText(each).width)) + 12;
  const left = x + width + 6 > right ? x - width - 6 : x + 6;
  Object.assign(ctx, { fillStyle: ink("--text"), globalAlpha: 0.92 });
  ctx.beginPath();
  ctx.roundRect(left, top + 4, width, words.length * 15 + 7, 5);
  ctx.fill();
  Object.assign(ctx, { fillStyle: ink("--surface"), globalAlpha: 1 });
  words.forEach((each, line) => ctx.fillText(each, left + 6, top + 18 + line * 15));
}

function drawSelected(chart) {
  const { ctx, chartArea } = chart;
  const left = xOf(chart, selected.from);
  const right = xOf(chart, selected.until);
  if (left === right) return;
  ctx.setLineDash([]);
  Object.assign(ctx, { fillStyle: ink("--accent"), strokeStyle: ink("--accent"), globalAlpha: 0.16 });
  ctx.fillRect(left, chartArea.top, right - left, chartArea.height);
  ctx.globalAlpha = 1;
  ctx.strokeRect(left, chartArea.top, right - left, chartArea.height);
  Object.assign(ctx, { fillStyle: ink("--text"), font: `600 11px ${getComputedStyle(document.body).fontFamily}`, textAlign: "center" });
  if (ctx.measureText(selected.says).width < right - left - 8) ctx.fillText(selected.says, (left + right) / 2, chartArea.top + 14);
}

export const together = {
  id: "together",

  // The cursor is a slider over time, which zoom.js moves by keys.
  afterInit({ canvas, data: { times } }) {
    const last = Math.max(times.length - 1, 0);
    Object.assign(canvas, { role: "slider", tabIndex: 0, ariaValueMin: 0, ariaValueMax: last, ariaValueNow: last });
    canvas.setAttribute("aria-valuetext", "Arrow keys tell what it shows");
  },

  afterEvent(chart, args) {
    const at = args.event.type === "mouseout" ? undefined : chart.getActiveElements()[0]?.index;
    if (point(chart, at)) args.changed = true;
  },

  afterDatasetsDraw(chart) {
    if (!chart.data.times?.length) return;
    drawMarks(chart);
    chart.ctx.save();
    drawCursor(chart);
    if (selected) drawSelected(chart);
    chart.ctx.restore();
  },
};
