// The charts. A canvas is made into a chart once; every later answer gives that chart new points.
// What to draw stands in data-series of the element around the canvas, which a refresh changes; the canvas it leaves alone.
import { KINDS, scale } from "./plots.js";
import { tellAnew } from "./together.js";

const still = matchMedia("(prefers-reduced-motion: reduce)");
const charts = new Map();
let Chart;

function options(plot) {
  return {
    responsive: true,
    maintainAspectRatio: false,
    animation: still.matches ? false : { duration: 400 },
    ...KINDS[plot.dataset.chart].options(plot),
  };
}

function give(chart, fresh) {
  const { datasets, ...rest } = fresh;
  Object.assign(chart.data, rest);
  if (chart.data.datasets.length !== datasets.length) chart.data.datasets = datasets;
  else datasets.forEach((dataset, at) => Object.assign(chart.data.datasets[at], dataset));
}

function draw(plot) {
  const canvas = plot.querySelector("canvas");
  if (!canvas) return;
  const { type, data, plugins, slides } = KINDS[plot.dataset.chart];
  const drawn = charts.get(canvas);
  const shown = plot.dataset.series + plot.dataset.least;
  if (drawn?.shown === shown) return;
  if (!drawn) {
    const chart = new Chart(canvas, { type, data: data(plot), options: options(plot), plugins });
    charts.set(canvas, { chart, plot, shown });
    return;
  }
  const { chart } = drawn;
  give(chart, data(plot));
  if (chart.options.scales?.y) Object.assign(chart.options.scales.y, scale(plot));
  // Points move along by one each time: sliding each into its neighbour's place would tell a lie about it.
  chart.update(slides && !still.matches ? undefined : "none");
  drawn.shown = shown;
}

function drawAll() {
  for (const [canvas, { chart }] of charts) {
    if (canvas.isConnected) continue;
    chart.destroy();
    charts.delete(canvas);
  }
  document.querySelectorAll("[data-chart]").forEach(draw);
  tellAnew();
}

function recolour() {
  for (const { chart, plot } of charts.values()) {
    give(chart, KINDS[plot.dataset.chart].data(plot));
    chart.options = options(plot);
    chart.update("none");
  }
}

// What is in sight first, and in between whatever else the page has to do.
async function drawFirst() {
  const inSight = (plot) => plot.getBoundingClientRect().top < innerHeight;
  const plots = [...document.querySelectorAll("[data-chart]")];
  for (const plot of [...plots.filter(inSight), ...plots.filter((each) => !inSight(each))]) {
    if (plot.isConnected) draw(plot);
    await new Promise((done) => setTimeout(done));
  }
}

export async function startCharts() {
  if (!document.querySelector("[data-chart]")) return;
  try {
    await window.headway.library("chart");
  } catch {
    return; // The drawings that the server made stay.
  }
  Chart = window.Chart;
  document.addEventListener("headway:theme", recolour);
  await drawFirst();
  document.documentElement.dataset.charts = "";
  drawAll();
  document.addEventListener("htmx:after:swap", drawAll);
}
