// The charts. A canvas is made into a chart once; every later answer gives that chart new points.
// What to draw stands in data-series of the element around the canvas, which a refresh changes; the canvas it leaves alone.
import { sayClock } from "./times.js";

const still = matchMedia("(prefers-reduced-motion: reduce)");
const charts = new Map();
let Chart;

function ink(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function see(color, share) {
  return `color-mix(in srgb, ${color} ${share}%, transparent)`;
}

function font() {
  return { family: getComputedStyle(document.body).fontFamily, size: 11 };
}

function tooltip() {
  return {
    backgroundColor: ink("--text"),
    titleColor: ink("--surface"),
    bodyColor: ink("--surface"),
    displayColors: false,
    padding: 8,
    cornerRadius: 6,
    titleFont: { ...font(), weight: 500 },
    bodyFont: { ...font(), size: 12 },
  };
}

function series(plot) {
  return JSON.parse(plot.dataset.series);
}

function before(points, at) {
  const seconds = Math.round((new Date(points.at(-1).at) - new Date(points[at].at)) / 1000);
  return seconds ? `−${seconds} s` : "now";
}

function line(plot) {
  const points = series(plot);
  const newest = points.length - 1;
  const accent = ink("--accent");
  return {
    labels: points.map((_, at) => before(points, at)),
    datasets: [
      {
        data: points.map((point) => point[plot.dataset.y]),
        borderColor: accent,
        backgroundColor: see(accent, 10),
        borderWidth: 2,
        fill: "origin",
        pointBackgroundColor: accent,
        pointRadius: points.map((_, at) => (at === newest ? 3.5 : 0)),
        pointHoverRadius: 4,
      },
    ],
  };
}

function lineOptions(plot) {
  const muted = { color: ink("--muted"), font: font() };
  return {
    layout: { padding: { top: 6, right: 6 } },
    interaction: { mode: "index", intersect: false },
    scales: {
      x: {
        grid: { display: false },
        border: { color: ink("--line") },
        ticks: { ...muted, maxRotation: 0, autoSkip: false, callback: tick },
      },
      y: {
        beginAtZero: true,
        grace: "10%",
        grid: { color: ink("--line") },
        border: { display: false },
        ticks: { ...muted, maxTicksLimit: 5, padding: 6 },
      },
    },
    plugins: {
      legend: { display: false },
      tooltip: {
        ...tooltip(),
        callbacks: {
          title: ([item]) => sayClock(new Date(series(plot)[item.dataIndex].at)),
          label: (item) => `${item.formattedValue} ${plot.dataset.unit}`,
        },
      },
    },
  };
}

// The first, the middle and the last point bear a label. Chart.js calls this with the scale as `this`.
function tick(_, at, all) {
  const wanted = at === 0 || at === all.length - 1 || at === Math.floor((all.length - 1) / 2);
  return wanted ? this.getLabelForValue(at) : "";
}

function doughnut(plot) {
  const parts = series(plot);
  const colors = [ink("--accent"), ink("--rest")];
  const empty = parts.every((part) => !part.value);
  return {
    labels: parts.map((part) => part.label),
    datasets: [
      {
        // Nothing counted yet is a ring of the rest's colour, not an absent one.
        data: empty ? [0, 1] : parts.map((part) => part.value),
        backgroundColor: colors,
        borderColor: ink("--surface"),
        borderWidth: 2,
        hoverOffset: 0,
      },
    ],
  };
}

function doughnutOptions(plot) {
  return {
    cutout: "72%",
    plugins: {
      legend: { display: false },
      tooltip: {
        ...tooltip(),
        filter: () => series(plot).some((part) => part.value),
        callbacks: { label: (item) => `${item.formattedValue} ${item.label}` },
      },
    },
  };
}

const KINDS = { line: [line, lineOptions], doughnut: [doughnut, doughnutOptions] };

function options(plot) {
  const [, specific] = KINDS[plot.dataset.chart];
  return {
    responsive: true,
    maintainAspectRatio: false,
    animation: still.matches ? false : { duration: 400 },
    ...specific(plot),
  };
}

function draw(plot) {
  const canvas = plot.querySelector("canvas");
  if (!canvas) return;
  const [data] = KINDS[plot.dataset.chart];
  const drawn = charts.get(canvas);
  if (drawn?.series === plot.dataset.series) return;
  const fresh = data(plot);
  if (!drawn) {
    const chart = new Chart(canvas, { type: plot.dataset.chart, data: fresh, options: options(plot) });
    charts.set(canvas, { chart, plot, series: plot.dataset.series });
    return;
  }
  const { chart } = drawn;
  chart.data.labels = fresh.labels;
  fresh.datasets.forEach((dataset, at) => Object.assign(chart.data.datasets[at], dataset));
  // Points move along by one each time: sliding each into its neighbour's place would tell a lie about it.
  chart.update(plot.dataset.chart === "line" || still.matches ? "none" : undefined);
  drawn.series = plot.dataset.series;
}

function drawAll() {
  for (const [canvas, { chart }] of charts) {
    if (canvas.isConnected) continue;
    chart.destroy();
    charts.delete(canvas);
  }
  document.querySelectorAll("[data-chart]").forEach(draw);
}

function recolour() {
  for (const { chart, plot } of charts.values()) {
    const fresh = KINDS[plot.dataset.chart][0](plot);
    fresh.datasets.forEach((dataset, at) => Object.assign(chart.data.datasets[at], dataset));
    chart.options = options(plot);
    chart.update("none");
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
  document.documentElement.dataset.charts = "";
  drawAll();
  document.addEventListener("htmx:after:swap", drawAll);
  document.addEventListener("headway:theme", recolour);
}
