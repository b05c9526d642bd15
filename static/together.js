// Pointing at a time in one chart tells of it in all: one tooltip, and a line through each chart there.
let pointed = null; // the time from and until in ms, of the point under the pointer
let under = null; // the chart that it is in

function others(chart) {
  return Object.values(window.Chart.instances).filter((each) => each !== chart && each.data.times);
}

function lasts(times) {
  return times.length > 1 ? times[1] - times[0] : 1;
}

function spanOf({ data: { times } }, at) {
  return { from: times[at], until: times[at] + lasts(times) };
}

// The newest point of a chart that shares a moment with that span; -1 where none does.
function placeIn({ data: { times } }, { from, until }) {
  const each = lasts(times);
  return times.findLastIndex((time) => time < until && time + each > from);
}

function point(chart, at) {
  const next = at === undefined ? null : spanOf(chart, at);
  if (next?.from === pointed?.from && next?.until === pointed?.until) return false;
  pointed = next;
  under = next && chart;
  for (const other of others(chart)) other.draw();
  return true;
}

// What the other charts show at the time of a point, a line of words each.
export function elsewhere(chart, at) {
  const there = spanOf(chart, at);
  return others(chart).flatMap((other) => {
    const place = placeIn(other, there);
    const told = place < 0 ? [] : other.data.tell(place);
    return told.length ? [`${other.data.title}: ${told.join(", ")}`] : [];
  });
}

// The tooltip tells of other charts too, so it is made anew when any of them got new points.
export function tellAnew() {
  if (under?.ctx) under.update("none");
}

export const together = {
  id: "together",

  afterEvent(chart, args) {
    const at = args.event.type === "mouseout" ? undefined : chart.getActiveElements()[0]?.index;
    if (point(chart, at)) args.changed = true;
  },

  afterDatasetsDraw(chart) {
    const place = pointed ? placeIn(chart, pointed) : -1;
    const x = chart.getDatasetMeta(0).data[place]?.x;
    if (x === undefined) return;
    const { ctx, chartArea } = chart;
    ctx.save();
    ctx.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--edge");
    ctx.setLineDash([2, 3]);
    ctx.beginPath();
    ctx.moveTo(x, chartArea.top);
    ctx.lineTo(x, chartArea.bottom);
    ctx.stroke();
    ctx.restore();
  },
};
