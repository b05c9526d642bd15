// Marks of a chart over time: a triangle is a deployment, a diamond an alert, whose band lasts until it was over.
import { beginning, ending, xOf } from "./moments.js";
import { sayMoment } from "./times.js";

const HALF = 5; // of a mark's width, in pixels
const SIGNS = { deployment: "▲", alert: "◆" };
export const KINDS = { deployment: "Deployment", alert: "Alert" };
const read = new WeakMap();

function inks() {
  const tokens = getComputedStyle(document.documentElement);
  const ink = (name) => tokens.getPropertyValue(name).trim();
  return { deployment: ink("--text"), alert: ink("--bad"), around: ink("--surface") };
}

// The marks that the chart's element tells, oldest first: {at, kind, label, path, until}, moments in seconds.
export function marksOf({ canvas }) {
  const plot = canvas.closest("[data-chart]");
  const told = plot?.dataset.series ?? "";
  if (read.get(plot)?.told !== told) read.set(plot, { told, marks: told.startsWith("{") ? JSON.parse(told).marks ?? [] : [] });
  return read.get(plot).marks;
}

// Where a mark stands: at the chart's left edge where an alert fired before that.
export function xOfMark(chart, { at }) {
  return xOf(chart, at * 1000);
}

// Those that stand in a span; what began before the chart does stands in its first step.
export function marksIn(chart, { from, until }) {
  const first = from <= beginning(chart);
  return marksOf(chart).filter(({ at }) => at * 1000 < until && (first || at * 1000 >= from));
}

// A line that fits into a chart's tooltip.
export function sayMark({ kind, label, at }, { width }) {
  const most = Math.max(Math.floor(width / 7) - 20, 12);
  const short = label.length > most ? `${label.slice(0, most - 1)}…` : label;
  return `${SIGNS[kind]} ${short}, ${sayMoment(at * 1000)}`;
}

function shape(ctx, kind, x, foot) {
  ctx.beginPath();
  if (kind === "alert") {
    [[0, -2 * HALF], [HALF, -HALF], [0, 0], [-HALF, -HALF]].forEach(([right, down]) => ctx.lineTo(x + right, foot + down));
  } else {
    [[0, -1.8 * HALF], [HALF, 0], [-HALF, 0]].forEach(([right, down]) => ctx.lineTo(x + right, foot + down));
  }
  ctx.closePath();
}

function lineAt(ctx, x, { top, bottom }) {
  ctx.globalAlpha = 0.55;
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.moveTo(Math.round(x) + 0.5, top);
  ctx.lineTo(Math.round(x) + 0.5, bottom);
  ctx.stroke();
  ctx.globalAlpha = 1;
}

function drawBand(chart, { at, until }) {
  const { ctx, chartArea } = chart;
  const from = xOf(chart, at * 1000);
  ctx.globalAlpha = 0.35;
  ctx.fillRect(from, chartArea.bottom - 3, Math.max(xOf(chart, until === null ? ending(chart) : until * 1000) - from, 0), 3);
  ctx.globalAlpha = 1;
}

// A mark's shape, which stands on a foot and is set off from what it covers.
export function drawSign(ctx, kind, x, foot, colors = inks()) {
  shape(ctx, kind, x, foot);
  Object.assign(ctx, { fillStyle: colors[kind], strokeStyle: colors.around, lineWidth: 2 });
  ctx.stroke();
  ctx.fill();
}

export function drawMarks(chart) {
  const { ctx, chartArea } = chart;
  const colors = inks();
  ctx.save();
  for (const mark of marksOf(chart)) {
    Object.assign(ctx, { fillStyle: colors[mark.kind], strokeStyle: colors[mark.kind] });
    if (mark.kind === "alert") drawBand(chart, mark);
    ctx.setLineDash(mark.kind === "alert" ? [1, 3] : [4, 3]);
    const x = xOfMark(chart, mark);
    lineAt(ctx, x, chartArea);
    ctx.setLineDash([]);
    drawSign(ctx, mark.kind, x, chartArea.bottom, colors);
  }
  ctx.restore();
}
