// Keeps the page in step. A stream brings its parts as they change, and its polls rest while that is open; when it is
// lost they take over. All rests while the page is paused or hidden.
import { isFeed, startFeeds, takeRows } from "./feeds.js";
import { forgetLag, noteLag } from "./lag.js";
import { notes } from "./notify.js";
import { inStep, parts, rests, sayRefused, sayUnavailable, showStanding, standing, unavailableNames } from "./standing.js";
import { Stream } from "./stream.js";
import { sayClock } from "./times.js";
import { toast } from "./toasts.js";

const OPENING_MS = 2500;
const SILENCE_MS = 15_000;
const CHECK_MS = 5000;
const FEEDS_EVERY_MS = 3000;

const began = new WeakMap(); // when each poll began
const pushed = new WeakMap(); // when each part was pushed last
const carried = new Set(); // the parts that the stream brings
let stream = null;
let opening = 0;
let heardAt = 0;

const idle = () => standing.paused || (document.hidden && !notes.on);
const find = (name) => document.querySelector(`[data-live="${CSS.escape(name)}"]`);

function carry(names) {
  carried.clear();
  for (const name of names) carried.add(name);
  standing.streaming = carried.size > 0;
}

function note(part, { etag, resting, took }) {
  if (etag) part.dataset.etag = etag;
  const cost = part.querySelector("[data-cost]");
  if (cost && took) cost.title = `Taken ${sayClock(new Date())}, in ${took} ms`;
  if (!resting) return;
  part.dataset.resting = "";
  tune();
}

function poll(part) {
  part.dispatchEvent(new Event("catchup"));
}

function pollRest() {
  if (!idle()) parts().filter((part) => !carried.has(part.dataset.live)).forEach(poll);
}

// Lists that grow have no timer of htmx's.
function pollFeeds() {
  if (!idle()) parts().filter((part) => isFeed(part) && !carried.has(part.dataset.live)).forEach(poll);
}

// What was not to be had may be there again, without a change that the stream would bring.
function pollUnavailable() {
  unavailableNames().map(find).forEach((part) => part && poll(part));
}

// What the stream can bring: a chart of what somebody chose alone is asked for.
const brought = (part) => !rests(part) && !("polled" in part.dataset);

// Tell the stream what is shown now. The polls go on until it is open, and are called up when that takes long.
function tune() {
  if (!stream) return;
  const shown = idle() ? [] : parts().filter(brought);
  carry([]);
  clearTimeout(opening);
  stream.want(Object.fromEntries(shown.map(({ dataset }) => [dataset.live, dataset.etag ?? ""])), notes.on);
  if (shown.length) opening = setTimeout(lose, OPENING_MS);
  else standing.polling = false;
}

function lose() {
  const known = standing.polling;
  clearTimeout(opening);
  carry([]);
  standing.polling = true;
  forgetLag();
  showStanding();
  if (!known) pollRest();
}

// A tab that hears nothing of its stream may have been asleep, or have lost what it shares it by.
function check() {
  if (idle() || !carried.size || Date.now() - heardAt < SILENCE_MS) return;
  lose();
  tune();
}

function open({ parts: names }) {
  const ours = names.filter(find);
  if (!ours.length) return; // it is about to be asked for ours
  clearTimeout(opening);
  carry(ours);
  standing.polling = false;
  if (standing.trouble === "offline") standing.trouble = null;
  pollUnavailable();
  inStep();
}

function show({ part: name, tag, text }) {
  const part = find(name);
  if (!part) return;
  carried.add(name);
  pushed.set(part, performance.now());
  const head = document.createElement("template");
  head.innerHTML = text.slice(0, text.indexOf(">") + 1);
  const { etag, took, resting, unavailable } = head.content.firstElementChild.dataset;
  sayUnavailable(name, unavailable);
  inStep();
  if (part.dataset.etag === tag) return;
  note(part, { etag, took, resting });
  window.htmx.swap({ text, sourceElement: part, target: part.querySelector(".body, .part"), swap: "innerMorph" });
}

const HEARD = {
  open,
  lost: lose,
  part: show,
  pulse({ lateMs, refused }) {
    sayRefused(refused);
    inStep();
    noteLag(lateMs);
  },
  // The poll is told why.
  unavailable({ part: name }) {
    carried.delete(name);
    if (find(name)) poll(find(name));
  },
  // A list is heard from now on; what came to it before is asked for.
  feed({ part: name }) {
    if (find(name)) poll(find(name));
  },
  rows({ part: name, ...came }) {
    inStep();
    if (find(name)) takeRows(find(name), came);
  },
  degraded: ({ reason }) => sayUnavailable("", reason),
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

function hearStream(message) {
  if (idle()) return;
  heardAt = Date.now();
  HEARD[message.kind](message);
  showStanding();
}

function hearPoll(part, { status, headers }) {
  if (status === 401 || status === 403) standing.trouble = "signed-out";
  else standing.trouble = status >= 500 && !headers.has("Headway-Unavailable") ? "offline" : null;
  sayUnavailable(part.dataset.live, headers.get("Headway-Unavailable"));
  if (status < 400) {
    inStep();
    const took = headers.get("Server-Timing")?.match(/dur=([\d.]+)/)?.[1];
    note(part, { etag: headers.get("ETag"), resting: headers.has("Headway-Resting"), took });
  }
  showStanding();
}

// Calls `hear` with each event of that name that a part's poll gives.
function onPoll(name, hear) {
  document.addEventListener(name, (event) => {
    const { ctx } = event.detail;
    if (ctx?.sourceElement?.dataset?.live) hear(ctx.sourceElement, ctx, event);
  });
}

function watchPolls() {
  onPoll("htmx:config:request", (part, { request }) => {
    if (part.dataset.etag) request.headers["If-None-Match"] = part.dataset.etag;
  });
  onPoll("htmx:before:request", (part, ctx, event) => {
    const comes = ctx.sourceEvent?.type === "every" && carried.has(part.dataset.live);
    if (standing.paused || document.hidden || comes || rests(part)) event.preventDefault();
    else began.set(ctx, performance.now());
  });
  onPoll("htmx:before:response", (part, ctx, event) => {
    const onItsWay = standing.trouble === "signed-out" && ctx.response.status === 401; // to the sign-in page
    const isOld = pushed.get(part) > began.get(ctx); // what was pushed meanwhile is newer
    if (onItsWay || isOld) event.preventDefault();
    else hearPoll(part, ctx.response);
  });
  onPoll("htmx:error", (part, ctx) => {
    if (!ctx.response) fail("offline"); // else it is an error of showing it, not of the way to the server
  });
}

function fail(trouble) {
  standing.trouble = trouble;
  showStanding();
}

function catchUp() {
  tune();
  if (standing.polling || !stream) pollRest();
}

// htmx takes up the page a moment after it has loaded. What was not read in time for the first paint is asked for then.
function begin() {
  setTimeout(() => document.querySelectorAll("[data-awaited]").forEach(poll), 50);
  if (Stream.possible) {
    stream = new Stream(hearStream);
    tune();
    setInterval(check, CHECK_MS);
  } else standing.polling = true;
  setInterval(pollFeeds, FEEDS_EVERY_MS);
  showStanding();
}

export function startLive() {
  if (!document.querySelector(".state")) return;
  watchPolls();
  startFeeds(hearPoll, () => fail("offline"));
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-action=pause]")) return;
    standing.paused = !standing.paused;
    forgetLag();
    showStanding();
    catchUp();
  });
  document.addEventListener("visibilitychange", catchUp);
  document.addEventListener("headway:notes", tune);
  document.addEventListener("headway:parts", tune); // other parts stand on the page
  addEventListener("online", catchUp);
  addEventListener("pageshow", (event) => event.persisted && catchUp());
  addEventListener("offline", () => fail("offline"));
  for (const part of parts()) if (part.dataset.unavailable) sayUnavailable(part.dataset.live, part.dataset.unavailable);
  window.headway.library("htmx").then(begin, () => fail("still"));
  showStanding();
}
