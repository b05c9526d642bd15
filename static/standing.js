// How the page stands, said in its header and its banners: in step or not, since when, and what can't be read.
import { sayClock } from "./times.js";

export const standing = {
  paused: false,
  streaming: false, // the stream is open
  polling: false, // it is lost, and polls stand in for it
  trouble: null, // "offline", "signed-out", or "still" where a script did not load
  refused: Boolean(document.querySelector("[data-banner=full]:not([hidden])")), // the store takes nothing new
};
const unavailable = new Map();

const TELLS = {
  live: "Updates come as they happen",
  polling: "Updates are asked for every few seconds until they can come by themselves again",
};

// What is wrong with the store, by banner; no news of it while nothing is heard at all.
const STORES = { store: () => unavailable.size > 0, full: () => standing.refused };

export const parts = () => [...document.querySelectorAll("[data-live]")];
export const rests = (part) => "resting" in part.dataset;

function state() {
  const { paused, polling, trouble } = standing;
  if (paused) return ["paused", "Paused"];
  if (trouble === "signed-out") return ["offline", "Signed out"];
  if (trouble) return ["offline", trouble === "still" ? "Not live" : "Offline"];
  if (parts().every(rests)) return ["finished", "Finished"];
  return polling ? ["polling", "Polling"] : ["live", "Live"];
}

export function showStanding() {
  const [name, word] = state();
  const mark = document.querySelector(".state");
  if (!mark) return;
  mark.dataset.state = name;
  mark.toggleAttribute("data-streaming", standing.streaming);
  mark.title = TELLS[name] ?? "";
  const said = mark.querySelector("[data-state-word]");
  if (said.textContent !== word) said.textContent = word;
  for (const button of document.querySelectorAll("[data-action=pause]")) {
    const { pauses = "Pause", resumes = "Resume" } = button.dataset;
    button.textContent = standing.paused ? resumes : pauses;
    if (button.ariaPressed) button.ariaPressed = String(standing.paused);
    button.hidden = name === "finished";
  }
  for (const banner of document.querySelectorAll("[data-banner]")) {
    const what = banner.dataset.banner;
    banner.hidden = !(what in STORES ? STORES[what]() && !standing.trouble : what === standing.trouble);
  }
}

// All that is shown was so a moment ago; an old reading is in step with nothing.
export function inStep() {
  if (unavailable.size) return;
  const now = new Date();
  for (const time of document.querySelectorAll("[data-sync]")) {
    time.dateTime = now.toISOString();
    time.textContent = sayClock(now);
    time.title = now.toString();
  }
}

// Why a part, or with an empty name all of them, can't be read; no reason where it can.
export function sayUnavailable(name, reason) {
  if (reason) unavailable.set(name, reason);
  else unavailable.delete(name);
  const [said] = unavailable.values();
  sayWhy("store", said);
}

// Why the store takes nothing new; no reason where it does.
export function sayRefused(reason) {
  standing.refused = Boolean(reason);
  sayWhy("full", reason);
}

function sayWhy(banner, reason) {
  const words = document.querySelector(`[data-banner=${banner}] [data-reason]`);
  if (reason && words) words.textContent = reason[0].toUpperCase() + reason.slice(1);
}

export function unavailableNames() {
  return [...unavailable.keys()];
}
