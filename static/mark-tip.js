// What a mark of a chart says, with its link: shown where a pointer, a finger or the cursor is at the mark, until Escape.
import { KINDS, marksOf, xOfMark } from "./marks.js";
import { chartsOverTime } from "./moments.js";

const NEAR_PX = { mouse: 9, pen: 12, touch: 22 }; // so near to a mark is at it
const REACH_PX = 24; // and so far above and below the time axis
const LINGER_MS = 300; // time to get from the mark to its link
let tip = null;
let leaving = 0;

function leadsTo(path) {
  if (!path) return null;
  if (/^\/(?![/\\])/.test(path)) return document.body.dataset.base + path;
  return /^https?:\/\//i.test(path) ? path : null;
}

function when(at) {
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" }).format(at * 1000);
}

function row({ kind, label, path, at }) {
  const element = document.createElement("p");
  element.className = `mark ${kind}`;
  const href = leadsTo(path);
  const name = Object.assign(document.createElement(href ? "a" : "bdi"), { textContent: label });
  if (href) Object.assign(name, { href, className: "linked", dir: "auto" });
  const time = Object.assign(document.createElement("span"), { className: "muted", textContent: `${KINDS[kind]}, ${when(at)}` });
  element.append(name, time);
  return element;
}

function place(chart, x) {
  const box = chart.canvas.getBoundingClientRect();
  const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
  tip.style.left = `${Math.max(8, Math.min(box.left + x - tip.offsetWidth / 2, room)) + scrollX}px`;
  tip.style.top = `${box.top + chart.chartArea.bottom + 8 + scrollY}px`;
}

export function showTip(chart, marks, x) {
  clearTimeout(leaving);
  tip ??= Object.assign(document.createElement("div"), { className: "mark-tip" });
  tip.replaceChildren(...marks.slice(0, 5).map(row));
  document.querySelector("main").append(tip);
  place(chart, x);
}

// Whether there was one to hide.
export function hideTip() {
  clearTimeout(leaving);
  const was = tip?.isConnected;
  tip?.remove();
  return Boolean(was);
}

// The first link in what is said now.
export function linkInTip() {
  return tip?.isConnected ? tip.querySelector("a") : null;
}

function marksAt(event) {
  const chart = chartsOverTime().find(({ canvas }) => canvas === event.target);
  if (!chart || Math.abs(event.offsetY - chart.chartArea.bottom) > REACH_PX) return null;
  const near = NEAR_PX[event.pointerType] ?? NEAR_PX.mouse;
  const marks = marksOf(chart).filter((mark) => Math.abs(xOfMark(chart, mark) - event.offsetX) <= near);
  return marks.length ? { chart, marks } : null;
}

function look(event) {
  if (tip?.contains(event.target)) return clearTimeout(leaving);
  const found = marksAt(event);
  if (found) return showTip(found.chart, found.marks, xOfMark(found.chart, found.marks[0]));
  clearTimeout(leaving);
  if (tip?.isConnected) leaving = setTimeout(hideTip, LINGER_MS);
}

export function startMarkTips() {
  document.addEventListener("pointermove", (event) => event.pointerType === "mouse" && !event.buttons && look(event));
  document.addEventListener("click", look);
}
