// How late what the stream brings arrives. The clocks of server and browser differ by nobody knows how much, so the
// quickest message of late counts as in time, and the lag is how much later than that the others come.
const KEPT = 150;
const MIDDLE_OF = 5;
let late = [];

function words(ms) {
  if (ms < 10) return "< 10 ms";
  if (ms < 100) return `${10 * Math.round(ms / 10)} ms`;
  if (ms < 975) return `${50 * Math.round(ms / 50)} ms`;
  return `${(ms / 1000).toFixed(1)} s`;
}

function show(text) {
  const place = document.querySelector("[data-lag]");
  if (place && place.textContent !== text) place.textContent = text;
}

// `ms`: from the server's clock as it sent to ours as it came.
export function noteLag(ms) {
  late = [...late, ms].slice(-KEPT);
  if (late.length < 2) return;
  const last = late.slice(-MIDDLE_OF).sort((a, b) => a - b);
  show(words(last[last.length >> 1] - Math.min(...late)));
}

export function forgetLag() {
  late = [];
  show("");
}
