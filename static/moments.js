// Where moments lie in a chart over time. `times` are the beginnings of its steps in ms, oldest first; steps may differ in length.

// The charts over time that are drawn now.
export function chartsOverTime() {
  return Object.values(window.Chart?.instances ?? {}).filter((chart) => chart.data.times?.length);
}

function lasts({ data: { times } }) {
  return times.length > 1 ? times.at(-1) - times.at(-2) : 1;
}

export function beginning({ data: { times } }) {
  return times[0];
}

export function ending(chart) {
  return chart.data.times.at(-1) + lasts(chart);
}

// The step of a point.
export function stepOf(chart, at) {
  const { times } = chart.data;
  return { from: times[at], until: times[at + 1] ?? ending(chart) };
}

// The point whose step holds a moment; -1 for a moment before the chart begins.
export function placeOf({ data: { times } }, moment) {
  return times.findLastIndex((time) => time <= moment);
}

// The point that shares most with a span: that in the middle of what they have in common; -1 where that is nothing.
export function placeIn(chart, { from, until }) {
  const low = Math.max(from, beginning(chart));
  const high = Math.min(until, ending(chart));
  return low < high ? placeOf(chart, (low + high) / 2) : -1;
}

// Bars stand in the middle of their steps, the points of lines at their beginnings.
function indent(chart) {
  return chart.config.type === "bar" ? 0.5 : 0;
}

function within({ chartArea: { left, right } }, x) {
  return Math.min(Math.max(x, left), right);
}

// Where a moment lies from left to right, in pixels of the canvas; what lies outside of the chart is at its edge.
export function xOf(chart, moment) {
  const place = Math.max(placeOf(chart, moment), 0);
  const { from, until } = stepOf(chart, place);
  const steps = place + (moment - from) / (until - from) - indent(chart);
  return within(chart, chart.scales.x.getPixelForValue(0) + steps * widthOfStep(chart));
}

function widthOfStep(chart) {
  const { x } = chart.scales;
  return chart.data.times.length > 1 ? x.getPixelForValue(1) - x.getPixelForValue(0) : chart.chartArea.width;
}

// The moment that lies there.
export function momentAt(chart, x) {
  const { times } = chart.data;
  const places = (within(chart, x) - chart.scales.x.getPixelForValue(0)) / widthOfStep(chart) + indent(chart);
  const place = Math.min(Math.max(Math.floor(places), 0), times.length - 1);
  const { from, until } = stepOf(chart, place);
  return from + Math.min(Math.max(places - place, 0), 1) * (until - from);
}
