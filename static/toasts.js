// Jobs that failed while the page is open, told in a corner: one line an agent, a few at once, gone after a while.
import { plain } from "./directions.js";

const MOST = 3;
const STAY_MS = 20_000;
const base = document.body.dataset.base;
const shown = new Map();

function list(agent) {
  return `${base}/dashboard/jobs?${new URLSearchParams({ status: "failed", ...(agent === null ? {} : { agent }) })}`;
}

// What is said of failures `{agent, count, queue_id, title, stage, error}`, and where it leads.
export function words({ agent, count, queue_id, title, stage, error }) {
  if (count > 1) return { head: plain(`${count.toLocaleString()} jobs failed in ${agent ?? "other agents"}`), body: "", href: list(agent) };
  const body = [agent, stage, error].filter(Boolean).join(" · ");
  return { head: plain(`${title} failed`), body: plain(body), href: `${base}/dashboard/jobs/${queue_id}` };
}

function remove(toast) {
  clearTimeout(toast.timer);
  toast.element.remove();
  shown.delete(toast.failed.agent);
}

function stay(toast) {
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => {
    if (toast.element.matches(":hover, :focus-within")) stay(toast);
    else remove(toast);
  }, STAY_MS);
}

function make(place) {
  const element = document.createElement("div");
  element.className = "toast";
  const link = document.createElement("a");
  link.append(document.createElement("strong"), document.createElement("span"));
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button square";
  button.setAttribute("aria-label", "Dismiss");
  button.textContent = "×";
  element.append(link, button);
  place.append(element);
  return element;
}

export function toast(failed) {
  const place = document.querySelector("[data-toasts]");
  if (!place) return;
  let one = shown.get(failed.agent);
  if (one) one.failed = { ...failed, count: one.failed.count + failed.count };
  else {
    if (shown.size >= MOST) remove(shown.values().next().value);
    one = { failed, element: make(place), timer: 0 };
    shown.set(failed.agent, one);
    one.element.querySelector("button").addEventListener("click", () => remove(one));
  }
  const { head, body, href } = words(one.failed);
  one.element.querySelector("a").href = href;
  one.element.querySelector("strong").textContent = head;
  one.element.querySelector("span").textContent = body;
  stay(one);
}
