// A chart as a picture: with its title, what it spans, its legend and the page's own colours, made of its canvas as it is drawn.
import { drawSign, marksOf } from "./marks.js";
import { beginning, ending } from "./moments.js";
import { pointAt, select } from "./together.js";

const EDGE = 20;
const HEAD = 52;
const ROW = 20; // of the legend
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });

function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function keysOf(plot) {
  const { lines } = JSON.parse(plot.dataset.series);
  const keys = lines
    .filter(({ name }) => name)
    .map(({ name, ink: color, dash, before }) => ({ says: name, color: ink(`--${color}`), dash: dash || before }));
  const kinds = new Set(marksOf({ canvas: plot.querySelector("canvas") }).map(({ kind }) => kind));
  return [...keys, ...[...kinds].sort().reverse().map((kind) => ({ says: kind, kind }))];
}

// Where each key stands: in rows of a width.
function laid(keys, wide) {
  const ctx = document.createElement("canvas").getContext("2d");
  ctx.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  let [x, row] = [0, 0];
  return keys.map((key) => {
    const width = ctx.measureText(key.says).width + 40;
    if (x && x + width > wide) [x, row] = [0, row + 1];
    x += width;
    return { ...key, x: x - width, row };
  });
}

function drawKey(ctx, { says, color, dash, kind }, x, y) {
  if (kind) {
    drawSign(ctx, kind, x + 8, y + 1);
  } else {
    Object.assign(ctx, { strokeStyle: color, lineWidth: 3 });
    ctx.setLineDash(dash ? [5, 3] : []);
    ctx.beginPath();
    ctx.moveTo(x, y - 4);
    ctx.lineTo(x + 16, y - 4);
    ctx.stroke();
    ctx.setLineDash([]);
  }
  ctx.fillStyle = ink("--muted");
  ctx.fillText(says, x + 22, y);
}

function spanOf(chart) {
  return [rangeName(), `${moment.format(beginning(chart))} – ${moment.format(ending(chart))}`].filter(Boolean).join(" · ");
}

function rangeName() {
  return document.querySelector("[data-zoom] [aria-current]")?.textContent.trim();
}

function titleOf(plot) {
  const note = plot.closest("section").querySelector("header > .muted")?.textContent;
  return [plot.closest("section").querySelector("h2").textContent, note].filter(Boolean).join(", ");
}

function picture(plot, chart) {
  const { canvas, width, height, currentDevicePixelRatio: ratio } = chart;
  const keys = laid(keysOf(plot), width);
  const foot = keys.length ? (keys.at(-1).row + 1) * ROW + 14 : 12;
  const sheet = document.createElement("canvas");
  sheet.width = (width + 2 * EDGE) * ratio;
  sheet.height = (height + HEAD + foot) * ratio;
  const ctx = sheet.getContext("2d");
  const family = getComputedStyle(document.body).fontFamily;
  ctx.scale(ratio, ratio);
  ctx.fillStyle = ink("--surface");
  ctx.fillRect(0, 0, sheet.width, sheet.height);
  ctx.drawImage(canvas, EDGE, HEAD, width, height);
  ctx.fillStyle = ink("--text");
  ctx.font = `600 15px ${family}`;
  ctx.fillText(titleOf(plot), EDGE, 26);
  ctx.fillStyle = ink("--muted");
  ctx.font = `12px ${family}`;
  ctx.fillText(spanOf(chart), EDGE, 44);
  for (const key of keys) drawKey(ctx, key, EDGE + key.x, HEAD + height + 20 + key.row * ROW);
  return sheet;
}

// `headway-success-rate-24h.png`, or with the span's two moments.
function nameOf(plot) {
  const name = plot.closest("section").id.replace(/^panel-/, "");
  const asked = new URLSearchParams(location.search);
  const plain = (text) => text.replace(/[^0-9TZ]/g, "");
  const span = asked.has("from") ? [asked.get("from"), asked.get("to") ?? ""].map(plain).filter(Boolean).join("-") : rangeName();
  return ["headway", name, span].filter(Boolean).join("-") + ".png";
}

function save(button) {
  const plot = button.closest("section").querySelector("[data-chart]");
  const chart = plot && window.Chart?.getChart(plot.querySelector("canvas"));
  if (!chart?.data.times?.length) return;
  select(null);
  pointAt(chart, undefined);
  picture(plot, chart).toBlob((blob) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: nameOf(plot) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }, "image/png");
}

export function startPictures() {
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-action=png]");
    if (button) save(button);
  });
}
