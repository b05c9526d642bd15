// Times come as UTC, whole; here they are said in the reader's zone, near ones by their age.
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

const STEPS = [
  [60, 1, "s"],
  [3600, 60, "min"],
  [86_400, 3600, "h"],
  [7 * 86_400, 86_400, "d"],
];

function ago(moment) {
  const seconds = Math.max(0, (Date.now() - moment) / 1000);
  if (seconds < 5) return "just now";
  const step = STEPS.find(([below]) => seconds < below);
  return step ? `${Math.floor(seconds / step[1])} ${step[2]} ago` : day.format(moment);
}

const WORDS = {
  ago,
  clock: (moment) => clock.format(moment),
  hour: (moment) => hour.format(moment),
  moment: (moment) => day.format(moment),
};

export function sayTimes(part) {
  for (const time of part.querySelectorAll("time[data-when]")) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    const words = WORDS[time.dataset.when](moment);
    if (time.textContent !== words) time.textContent = words;
    const title = whole.format(moment);
    if (time.title !== title) time.title = title;
  }
}

export function sayClock(moment) {
  return clock.format(moment);
}
