// Times come as UTC, whole; here they are said in the reader's zone, near ones by their age.
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const second = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

const STEPS = [
  [60, 1, "s"],
  [3600, 60, "min"],
  [86_400, 3600, "h"],
  [7 * 86_400, 86_400, "d"],
];

const NEAR_MS = 5000;
const COUNTED_S = 300;

// What the site's clock says: times are its own, and a reader's clock may be minutes off. A page that comes out of the
// browser's own cache does not tell.
const off = (() => {
  const [visit] = performance.getEntriesByType("navigation");
  const told = Date.parse(document.body.dataset.now);
  if (!visit || visit.type === "back_forward" || Number.isNaN(told)) return 0;
  const by = told - (performance.timeOrigin + visit.responseStart);
  return Math.abs(by) > NEAR_MS ? by : 0;
})();

function secondsSince(moment) {
  return Math.max(0, (Date.now() + off - moment) / 1000);
}

function elapsed(moment) {
  const seconds = Math.floor(secondsSince(moment));
  const both = (large, unit, small, lesser) => (small ? `${large} ${unit} ${small} ${lesser}` : `${large} ${unit}`);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < COUNTED_S) return both(Math.floor(seconds / 60), "min", seconds % 60, "s");
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return both(Math.floor(seconds / 3600), "h", Math.floor((seconds % 3600) / 60), "min");
  return both(Math.floor(seconds / 86_400), "d", Math.floor((seconds % 86_400) / 3600), "h");
}

function ago(moment) {
  const seconds = secondsSince(moment);
  if (seconds < 5) return "just now";
  const step = STEPS.find(([below]) => seconds < below);
  return step ? `${Math.floor(seconds / step[1])} ${step[2]} ago` : day.format(moment);
}

// When something is to begin: "in 3 min"; what is past that moment says for how long.
function until(moment) {
  const seconds = Math.round((moment - Date.now() - off) / 1000);
  if (seconds < -10) return `${elapsed(moment)} ago`;
  if (seconds < 5) return "now";
  const step = STEPS.find(([below]) => seconds < below);
  return step ? `in ${Math.round(seconds / step[1])} ${step[2]}` : day.format(moment);
}

// Of what is to come.
function due(moment) {
  const seconds = (moment - Date.now() - off) / 1000;
  if (seconds < 1) return "due now";
  const step = STEPS.find(([below]) => seconds < below);
  return step ? `in ${Math.round(seconds / step[1])} ${step[2]}` : day.format(moment);
}

const WORDS = {
  ago,
  due,
  until,
  elapsed,
  for: (moment) => `for ${elapsed(moment)}`,
  clock: (moment) => clock.format(moment),
  hour: (moment) => hour.format(moment),
  moment: (moment) => day.format(moment),
  day: (moment) => date.format(moment),
  // Of a log line: to the second; its tooltip tells it whole.
  stamp: (moment) => (moment.toDateString() === new Date().toDateString() ? clock : second).format(moment),
};

function say(time) {
  const moment = new Date(time.dateTime);
  if (Number.isNaN(moment.getTime())) return;
  const words = WORDS[time.dataset.when](moment);
  if (time.textContent !== words) time.textContent = words;
  const title = time.dataset.when === "stamp" ? `${whole.format(moment)}, ${time.dateTime}` : whole.format(moment);
  if (time.title !== title) time.title = title;
}

export function sayTimes(part) {
  part.querySelectorAll("time[data-when]").forEach(say);
}

// What has lasted for minutes only is counted by the second.
export function countTimes() {
  for (const time of document.querySelectorAll("time[data-when=elapsed], time[data-when=for]")) {
    if (secondsSince(new Date(time.dateTime)) < COUNTED_S + 2) say(time);
  }
}

export function sayClock(moment) {
  return clock.format(moment);
}

export function sayHour(moment) {
  return hour.format(moment);
}

export function sayMoment(moment) {
  return day.format(moment);
}

export function sayDay(moment) {
  return date.format(moment);
}

// To the second, with the day where that is not today.
export function sayStamp(moment) {
  return WORDS.stamp(new Date(moment));
}
