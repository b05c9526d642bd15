// Whether the page is in step. A stream brings its parts as they change, and its polls rest while that is open; when it is
// lost they take over. All rests while the page is paused or hidden. One dot, one time and one banner say how it stands.
import { forgetLag, noteLag } from "./lag.js";
import { notes } from "./notify.js";
import { Stream } from "./stream.js";
import { sayClock } from "./times.js";
import { toast } from "./toasts.js";

const OPENING_MS = 2500;
const SILENCE_MS = 15_000;

const parts = () => document.querySelectorAll("[data-live]");
const unavailable = new Map();
const began = new WeakMap();
const pushedAt = new WeakMap();
let carried = new Set();
let paused = false;
let trouble = null;
let stream = null;
let lost = false;
let opening = 0;
let heardAt = 0;

const resting = () => paused || (document.hidden && !notes.on);

function state() {
  if (paused) return ["paused", "Paused"];
  if (trouble === "signed-out") return ["offline", "Signed out"];
  if (trouble) return ["offline", trouble === "still" ? "Not live" : "Offline"];
  if ([...parts()].every((part) => "resting" in part.dataset)) return ["finished", "Finished"];
  return lost ? ["polling", "Polling"] : ["live", "Live"];
}

function show() {
  const [name, word] = state();
  const mark = document.querySelector(".state");
  if (!mark) return;
  mark.dataset.state = name;
  const said = mark.querySelector("[data-state-word]");
  if (said.textContent !== word) said.textContent = word;
  const button = document.querySelector("[data-action=pause]");
  button.textContent = paused ? "Resume" : "Pause";
  button.setAttribute("aria-pressed", String(paused));
  button.hidden = name === "finished";
  if (name !== "live" || !carried.size) forgetLag();
  for (const banner of document.querySelectorAll("[data-banner]")) {
    const here = banner.dataset.banner === "store" ? unavailable.size > 0 && !trouble : banner.dataset.banner === trouble;
    banner.hidden = !here;
  }
}

function inStep(answered) {
  const time = document.querySelector("[data-sync]");
  if (!time || unavailable.size) return; // an old reading is in step with nothing
  time.dateTime = answered.toISOString();
  time.textContent = sayClock(answered);
  time.title = answered.toString();
}

function sayUnavailable(name, reason) {
  if (reason) unavailable.set(name, reason);
  else unavailable.delete(name);
  const [said] = unavailable.values();
  const words = document.querySelector("[data-banner=store] [data-reason]");
  if (said && words) words.textContent = said[0].toUpperCase() + said.slice(1);
}

function note(part, { etag, rests, took }) {
  if (etag) part.dataset.etag = etag;
  if (rests) part.dataset.resting = "";
  const cost = part.querySelector("[data-cost]");
  if (cost && took) cost.title = `Taken ${sayClock(new Date())}, in ${took} ms`;
  if (rests) tune();
}

function poll(part) {
  part.dispatchEvent(new Event("catchup"));
}

// What the stream does not carry asks for itself.
function pollRest() {
  if (!paused && !document.hidden) for (const part of parts()) if (!carried.has(part.dataset.live)) poll(part);
}

// What was not to be had may be there again, without a change that the stream would bring.
function pollUnavailable() {
  for (const name of unavailable.keys()) if (find(name)) poll(find(name));
}

// Tell the stream what is shown now. Until it is open the polls go on; they are called up when that takes long.
function tune() {
  if (!stream) return;
  const wanted = {};
  if (!resting()) {
    for (const { dataset } of parts()) if (!("resting" in dataset)) wanted[dataset.live] = dataset.etag ?? "";
  }
  carried = new Set();
  stream.want(wanted, notes.on);
  clearTimeout(opening);
  if (Object.keys(wanted).length) opening = setTimeout(lose, OPENING_MS);
  else lost = false;
}

function lose() {
  clearTimeout(opening);
  carried = new Set();
  const known = lost;
  lost = true;
  show();
  if (!known) pollRest();
}

// A tab that hears nothing of its stream may have been asleep, or have lost what it shares it by.
function check() {
  if (!stream || resting() || !carried.size || Date.now() - heardAt < SILENCE_MS) return;
  lose();
  tune();
}

const HEARD = {
  open({ parts: names }) {
    const ours = names.filter(find);
    if (!ours.length) return; // it is about to be asked for ours
    clearTimeout(opening);
    carried = new Set(ours);
    lost = false;
    if (trouble === "offline") trouble = null;
    pollUnavailable();
    inStep(new Date());
  },
  lost: lose,
  async part({ part: name, tag, text }) {
    const part = find(name);
    carried.add(name);
    if (!part) return;
    pushedAt.set(part, performance.now());
    const head = document.createElement("template");
    head.innerHTML = text.slice(0, text.indexOf(">") + 1);
    const { etag, took, resting: rests, unavailable: reason } = head.content.firstElementChild.dataset;
    sayUnavailable(name, reason);
    inStep(new Date());
    if (part.dataset.etag === tag) return;
    note(part, { etag, rests, took });
    await window.htmx.swap({ text, sourceElement: part, target: part.querySelector(".body, .part"), swap: "innerMorph" });
  },
  pulse({ lateMs }) {
    inStep(new Date());
    noteLag(lateMs);
  },
  unavailable({ part: name }) {
    carried.delete(name);
    const part = find(name);
    if (part && !resting()) poll(part);
  },
  degraded({ reason }) {
    sayUnavailable("", reason);
  },
  recovered() {
    sayUnavailable("", null);
    pollUnavailable();
  },
  failed({ notes: told, notify }) {
    for (const one of told) {
      if (!document.hidden) toast(one);
      if (notify) notes.show(one);
    }
  },
};

function find(name) {
  return document.querySelector(`[data-live="${CSS.escape(name)}"]`);
}

function hearStream(message) {
  if (resting()) return;
  heardAt = Date.now();
  HEARD[message.kind](message);
  show();
}

function hearPoll(part, response) {
  const { status, headers } = response;
  if (status === 401 || status === 403) trouble = "signed-out";
  else if (status >= 500 && !headers.has("Headway-Unavailable")) trouble = "offline";
  else trouble = null;
  sayUnavailable(part.dataset.live, headers.get("Headway-Unavailable"));
  if (status < 400) {
    inStep(new Date());
    const took = headers.get("Server-Timing")?.match(/dur=([\d.]+)/)?.[1];
    note(part, { etag: headers.get("ETag"), rests: headers.has("Headway-Resting"), took });
  }
  show();
}

function live(event) {
  const part = event.detail.ctx?.sourceElement;
  return part?.dataset?.live ? part : null;
}

function watchPolls() {
  document.addEventListener("htmx:config:request", (event) => {
    const part = live(event);
    if (part?.dataset.etag) event.detail.ctx.request.headers["If-None-Match"] = part.dataset.etag;
  });
  document.addEventListener("htmx:before:request", (event) => {
    const part = live(event);
    if (!part) return;
    const { ctx } = event.detail;
    const pushed = ctx.sourceEvent?.type === "every" && carried.has(part.dataset.live);
    if (paused || document.hidden || pushed || "resting" in part.dataset) event.preventDefault();
    else began.set(ctx, performance.now());
  });
  document.addEventListener("htmx:before:response", (event) => {
    const part = live(event);
    if (!part) return;
    const { ctx } = event.detail;
    if (pushedAt.get(part) > began.get(ctx)) event.preventDefault(); // what was pushed meanwhile is newer
    else hearPoll(part, ctx.response);
  });
  document.addEventListener("htmx:error", (event) => {
    // An error after the answer came is one of showing it, not of the way to the server.
    if (!live(event) || event.detail.ctx.response) return;
    trouble = "offline";
    show();
  });
}

// htmx takes up the page a moment after it has loaded. What was not read in time for the first paint is asked for then.
function begin() {
  setTimeout(() => document.querySelectorAll("[data-awaited]").forEach(poll), 50);
  if (!Stream.possible) {
    lost = true;
    show();
    return;
  }
  stream = new Stream(hearStream);
  tune();
  setInterval(check, 5000);
}

function catchUp() {
  tune();
  if (lost || !stream) pollRest();
}

export function startLive() {
  if (!document.querySelector(".state")) return;
  watchPolls();
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-action=pause]")) return;
    paused = !paused;
    show();
    catchUp();
  });
  document.addEventListener("visibilitychange", catchUp);
  document.addEventListener("headway:notes", tune);
  addEventListener("online", catchUp);
  addEventListener("pageshow", (event) => event.persisted && catchUp());
  addEventListener("offline", () => {
    trouble = "offline";
    show();
  });
  for (const part of parts()) if (part.dataset.unavailable) unavailable.set(part.dataset.live, part.dataset.unavailable);
  window.headway.library("htmx").then(begin, () => {
    trouble = "still";
    show();
  });
  show();
}
