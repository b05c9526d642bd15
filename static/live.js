// Whether the page is in step: polls rest while it is paused or hidden, and one dot, one time and one banner say how it stands.
import { sayClock } from "./times.js";

const parts = () => document.querySelectorAll("[data-live]");
const unavailable = new Map();
let paused = false;
let trouble = null;

function state() {
  if (paused) return ["paused", "Paused"];
  if (trouble === "signed-out") return ["offline", "Signed out"];
  if (trouble) return ["offline", trouble === "still" ? "Not live" : "Offline"];
  if ([...parts()].every((part) => "resting" in part.dataset)) return ["finished", "Finished"];
  return ["live", "Live"];
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
  for (const banner of document.querySelectorAll("[data-banner]")) {
    const here = banner.dataset.banner === "store" ? unavailable.size > 0 && !trouble : banner.dataset.banner === trouble;
    banner.hidden = !here;
  }
}

function inStep(answered) {
  const time = document.querySelector("[data-sync]");
  if (!time) return;
  time.dateTime = answered.toISOString();
  time.textContent = sayClock(answered);
  time.title = answered.toString();
}

function catchUp() {
  if (paused || document.hidden) return;
  for (const part of parts()) part.dispatchEvent(new Event("catchup"));
}

// What was not read in time for the first paint. htmx takes up the page a moment after it has loaded.
function askForAwaited() {
  setTimeout(() => document.querySelectorAll("[data-awaited]").forEach((part) => part.dispatchEvent(new Event("catchup"))), 50);
}

function hear(part, response) {
  const { status, headers } = response;
  if (status === 401 || status === 403) trouble = "signed-out";
  else if (status >= 500 && !headers.has("Headway-Unavailable")) trouble = "offline";
  else trouble = null;

  const reason = headers.get("Headway-Unavailable");
  if (reason) unavailable.set(part.dataset.live, reason);
  else unavailable.delete(part.dataset.live);
  const [said] = unavailable.values();
  const words = document.querySelector("[data-banner=store] [data-reason]");
  if (said && words) words.textContent = said[0].toUpperCase() + said.slice(1);

  if (status < 400) {
    const answered = new Date();
    if (!unavailable.size) inStep(answered); // an old reading is in step with nothing
    if (headers.has("Headway-Resting")) part.dataset.resting = "";
    if (headers.has("ETag")) part.dataset.etag = headers.get("ETag");
    const took = headers.get("Server-Timing")?.match(/dur=([\d.]+)/)?.[1];
    const cost = part.querySelector("[data-cost]");
    if (cost && took) cost.title = `Taken ${sayClock(answered)}, in ${took} ms`;
  }
  show();
}

function live(event) {
  const part = event.detail.ctx?.sourceElement;
  return part?.dataset?.live ? part : null;
}

export function startLive() {
  if (!document.querySelector(".state")) return;

  document.addEventListener("htmx:config:request", (event) => {
    const part = live(event);
    if (part?.dataset.etag) event.detail.ctx.request.headers["If-None-Match"] = part.dataset.etag;
  });
  document.addEventListener("htmx:before:request", (event) => {
    const part = live(event);
    if (part && (paused || document.hidden || "resting" in part.dataset)) event.preventDefault();
  });
  document.addEventListener("htmx:before:response", (event) => {
    const part = live(event);
    if (part) hear(part, event.detail.ctx.response);
  });
  document.addEventListener("htmx:error", (event) => {
    // An error after the answer came is one of showing it, not of the way to the server.
    if (!live(event) || event.detail.ctx.response) return;
    trouble = "offline";
    show();
  });

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-action=pause]")) return;
    paused = !paused;
    show();
    catchUp();
  });
  document.addEventListener("visibilitychange", catchUp);
  addEventListener("online", catchUp);
  addEventListener("pageshow", (event) => event.persisted && catchUp());
  addEventListener("offline", () => {
    trouble = "offline";
    show();
  });

  for (const part of parts()) if (part.dataset.unavailable) unavailable.set(part.dataset.live, part.dataset.unavailable);
  window.headway.library("htmx").then(askForAwaited, () => {
    trouble = "still";
    show();
  });
  show();
}
