// What each kind of chart draws. Figures come from data-series of the element around the canvas, colours from the page's tokens.
import { elsewhere, together } from "./together.js";
import { sayClock, sayDay, sayHour, sayMoment, sayStamp } from "./times.js";

const SAYS = { clock: sayClock, hour: sayHour, moment: sayMoment, day: sayDay, stamp: sayStamp };
const WIDE = 460; // of a chart, where its axis has room for five labels and not three
const TIMES = [0.001, 0.005, 0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 28_800, 86_400, 172_800, 604_800];
const SECONDS = [0.001, 0.01, 0.1, 1, 10, 60, 600, 3600, 36_000, 864_000]; // where an axis of times is marked
const few = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });
const none = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });

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
  const surface = ink("--surface");
  return {
    backgroundColor: ink("--text"),
    titleColor: surface,
    bodyColor: surface,
    footerColor: see(surface, 80),
    displayColors: false,
    padding: 8,
    cornerRadius: 6,
    titleFont: { ...font(), weight: 500 },
    bodyFont: { ...font(), size: 12 },
    footerFont: { ...font(), weight: 400 },
  };
}

function series(plot) {
  return JSON.parse(plot.dataset.series);
}

// A span of time, as the server says it.
function span(seconds) {
  const both = (large, unit, small, lesser) => (small ? `${large} ${unit} ${small} ${lesser}` : `${large} ${unit}`);
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return both(Math.floor(whole / 60), "min", whole % 60, "s");
  if (whole < 86_400) return both(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
  return both(Math.floor(whole / 86_400), "d", Math.floor((whole % 86_400) / 3600), "h");
}

function figure(value, unit) {
  if (unit === "s") return span(value);
  const text = (value < 100 ? few : none).format(value);
  return unit ? `${text} ${unit}` : text;
}

// How a point is told: "12 completed", "98.6 %", "p95 41 s".
function words(name, value, unit) {
  const parts = unit === "s" ? [name, figure(value, unit)] : [figure(value, unit), name];
  return parts.join(" ").trim();
}

function before(times, at) {
  const seconds = Math.round((times.at(-1) - times[at]) / 1000);
  return seconds ? `−${seconds} s` : "now";
}

// What a chart over time has besides its lines. `tell` says in words what it shows at a point.
function overTime(plot, seconds, lines) {
  const { unit, says, axis = says, moving } = plot.dataset;
  const times = seconds.map((each) => each * 1000);
  const newest = moving === undefined ? -1 : times.length - 1;
  return {
    times,
    labels: times.map((time, at) => (says === "clock" ? before(times, at) : at === newest ? "now" : SAYS[axis](time))),
    title: plot.closest("section").querySelector("h2").textContent,
    tell: (at) => lines.filter(({ values }) => values[at] !== null).map(({ name, values }) => words(name, values[at], unit)),
  };
}

// Light ones tell of extremes, those from before of the time that is compared with: neither should be the first that is seen.
function lineOf({ values, ink: name, fill, dash, light, before: past }) {
  const color = ink(`--${name}`);
  const newest = past || light ? -1 : values.findLastIndex((value) => value !== null);
  const alone = (place) => (values[place - 1] ?? null) === null && (values[place + 1] ?? null) === null;
  return {
    type: "line",
    data: values,
    borderColor: light ? see(color, 45) : color,
    backgroundColor: see(color, 10),
    borderWidth: past || light ? 1.25 : 2,
    borderDash: past ? [3, 3] : dash ? [5, 3] : [],
    borderJoinStyle: "round",
    clip: 6, // or half of a line at the top would be cut off
    fill: fill ? "origin" : false,
    pointBackgroundColor: color,
    pointRadius: values.map((value, place) => (value === null ? 0 : place === newest ? 3.5 : alone(place) ? 1.5 : 0)),
    pointHoverRadius: 4,
    order: past ? 1 : 0,
  };
}

function line(plot) {
  const { at, lines } = series(plot);
  return { ...overTime(plot, at, lines), datasets: lines.map(lineOf) };
}

function barsOf({ values, ink: name }) {
  const color = ink(`--${name}`);
  const older = name === "bad" ? color : see(color, 75);
  return {
    data: values,
    backgroundColor: values.map((_, place) => (place === values.length - 1 ? color : older)),
    hoverBackgroundColor: color,
    categoryPercentage: 1,
    barPercentage: 0.8,
    borderRadius: 1,
    order: 1,
  };
}

function bars(plot) {
  const { at, lines } = series(plot);
  const over = (each) => ({ ...lineOf(each), stack: "before", order: 0 });
  return { ...overTime(plot, at, lines), datasets: lines.map((each) => (each.before ? over(each) : barsOf(each))) };
}

function timeOptions(plot) {
  const { unit, says } = plot.dataset;
  const muted = { color: ink("--muted"), font: font() };
  const stacked = plot.dataset.chart === "bars";
  return {
    layout: { padding: { top: 6, right: 6 } },
    interaction: { mode: "index", intersect: false },
    scales: {
      x: {
        stacked,
        grid: { display: false },
        border: { color: ink("--line") },
        afterBuildTicks: tickTimesBelow,
        ticks: { ...muted, maxRotation: 0, autoSkip: false, align: "inner" },
      },
      y: {
        stacked,
        ...scale(plot),
        grid: { color: ink("--line") },
        border: { display: false },
        ticks: { ...muted, maxTicksLimit: 5, padding: 6, callback: (value) => (unit === "s" && value ? span(value) : few.format(value)) },
      },
    },
    plugins: {
      legend: { display: false },
      tooltip: {
        ...tooltip(),
        callbacks: {
          title: ([item]) => SAYS[says](item.chart.data.times[item.dataIndex]),
          beforeBody: ([item]) => item.chart.data.tell(item.dataIndex),
          label: () => [],
          footer: ([item]) => elsewhere(item.chart, item.dataIndex),
        },
      },
    },
  };
}

// The first, the middle and the last point bear a label, and one between each where there is room.
function tickTimesBelow(axis) {
  const parts = axis.chart.width > WIDE ? 4 : 2;
  const last = axis.ticks.length - 1;
  const wanted = new Set(Array.from({ length: parts + 1 }, (_, part) => Math.floor((last * part) / parts)));
  axis.ticks = axis.ticks.filter((_, at) => wanted.has(at));
}

// How high a chart reaches. Times are of very different sizes, so each mark is several times the one before; waits that
// may be nothing at all stand on zero.
export function scale({ dataset: { unit, least, most, linear } }) {
  if (unit === "s" && linear === undefined) return { type: "logarithmic", afterDataLimits: roundTimes, afterBuildTicks: tickTimes };
  if (unit === "s") return { min: 0, grace: "10%", afterBuildTicks: tickWaits };
  if (most) return { suggestedMin: Number(least), max: Number(most) };
  return { min: 0, grace: "10%" };
}

function tickWaits(axis) {
  const step = TIMES.find((seconds) => axis.max / seconds <= 4) ?? axis.max;
  axis.ticks = Array.from({ length: Math.floor(axis.max / step) + 1 }, (_, at) => ({ value: at * step }));
}

function roundTimes(axis) {
  axis.min = SECONDS.findLast((seconds) => seconds <= axis.min) ?? axis.min;
  axis.max = SECONDS.find((seconds) => seconds >= axis.max && seconds > axis.min) ?? axis.max;
}

function tickTimes(axis) {
  axis.ticks = SECONDS.filter((seconds) => seconds >= axis.min && seconds <= axis.max).map((value) => ({ value }));
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

export const KINDS = {
  line: { type: "line", data: line, options: timeOptions, plugins: [together] },
  bars: { type: "bar", data: bars, options: timeOptions, plugins: [together] },
  doughnut: { type: "doughnut", data: doughnut, options: doughnutOptions, plugins: [], slides: true },
};
