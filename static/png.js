// A chart as a picture: with its title, what it spans, its legend and the page's own colours, made of its canvas as it is drawn.
import { marksOf } from "./marks.js";
import { beginning, ending } from "./moments.js";
import { pointAt, select } from "./together.js";
import { sayStamp } from "./times.js";

const EDGE = 20;
const HEAD = 52;
const FOOT = 40;

function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function keysOf(plot) {
  const { lines } = JSON.parse(plot.dataset.series);
  const title = plot.closest("section").querySelector("h2").textContent;
  const keys = lines.map(({ name, ink: color, dash, before }) => ({ says: name || title, color: ink(`--${color}`), dash: dash || before }));
  const kinds = new Set(marksOf({ canvas: plot.querySelector("canvas") }).map(({ kind }) => kind));
  if (kinds.has("deployment")) keys.push({ says: "▲ deployment", color: null });
  if (kinds.has("alert")) keys.push({ says: "◆ alert", color: null });
  return keys;
}

function drawKeys(ctx, keys, x, y) {
  for (const { says, color, dash } of keys) {
    if (color) {
      Object.assign(ctx, { strokeStyle: color, lineWidth: 3 });
      ctx.setLineDash(dash ? [5, 3] : []);
      ctx.beginPath();
      ctx.moveTo(x, y - 4);
      ctx.lineTo(x + 16, y - 4);
      ctx.stroke();
      x += 22;
    }
    ctx.fillText(says, x, y);
    x += ctx.measureText(says).width + 18;
  }
}

function spanOf(chart) {
  return `${sayStamp(beginning(chart))} – ${sayStamp(ending(chart))}`;
}

function picture(plot, chart) {
  const { canvas, width, height, currentDevicePixelRatio: ratio } = chart;
  const sheet = document.createElement("canvas");
  sheet.width = (width + 2 * EDGE) * ratio;
  sheet.height = (height + HEAD + FOOT) * ratio;
  const ctx = sheet.getContext("2d");
  const family = getComputedStyle(document.body).fontFamily;
  ctx.scale(ratio, ratio);
  ctx.fillStyle = ink("--surface");
  ctx.fillRect(0, 0, sheet.width, sheet.height);
  ctx.drawImage(canvas, EDGE, HEAD, width, height);
  ctx.fillStyle = ink("--text");
  ctx.font = `600 15px ${family}`;
  ctx.fillText(chart.data.title, EDGE, 26);
  ctx.fillStyle = ink("--muted");
  ctx.font = `12px ${family}`;
  ctx.fillText(spanOf(chart), EDGE, 44);
  drawKeys(ctx, keysOf(plot), EDGE, HEAD + height + 24);
  return sheet;
}

// `headway-success-rate-24h.png`, or with the span's two moments.
function nameOf(plot) {
  const name = plot.closest("section").id.replace(/^panel-/, "");
  const asked = new URLSearchParams(location.search);
  const moment = (text) => text.replace(/[^0-9TZ]/g, "");
  const range = document.querySelector("[data-zoom] [aria-current]")?.textContent.trim();
  const span = asked.has("from") ? [asked.get("from"), asked.get("to") ?? ""].map(moment).filter(Boolean).join("-") : range;
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
