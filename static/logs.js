// Viewers of log lines. New ones are appended while the newest is in sight; while a reader looks at older ones, or stopped to
// follow, they wait and are counted. A changed filter is asked for, and tells what of the coming lines belongs to it.
import { copyBy } from "./copy.js";
import { sayTimes } from "./times.js";

const MOST = 1000; // lines in the page
const NEAR_PX = 24;
const TYPING_MS = 300;
const FLOOD = 10; // lines within FLOOD_MS that nobody wants to hear read out
const FLOOD_MS = 2000;
const WRAP = "headway-log-wrap";
const LEVELS = ["debug", "info", "warning", "error", "critical"];

const count = (number, what) => `${number.toLocaleString()} ${what}${number === 1 ? "" : "s"}`;
const textOf = (row) => [...row.querySelectorAll("[data-text]")].map((text) => text.textContent).join("");

function asText(row) {
  const at = row.querySelector("time").dateTime;
  return `${at} ${row.dataset.level} ${row.dataset.source} ${textOf(row)}`;
}

// What was not shown between two lines: so many, or nobody counted.
function marker(skipped) {
  const said = document.createElement("p");
  said.className = "skipped";
  said.dataset.skipped = skipped ?? "";
  said.textContent = skipped === null ? "… more lines came than are shown here" : `… ${count(skipped, "line")} not shown here`;
  return said;
}

const sum = (one, other) => (one === null || other === null ? null : one + other);

class Viewer {
  #root;
  #following = true;
  #stopped = false; // by the button, not by scrolling
  #held = []; // rows that wait until the reader follows again
  #heldCount = 0; // how many came, null where nobody counted those that were left out
  #came = []; // when rows came lately
  #asked = 0;
  #timer = 0;
  #placed = 0; // where this script scrolled to

  constructor(root) {
    this.#root = root;
    const form = root.querySelector("[data-view-filter]");
    const zone = form.querySelector("[data-zone]");
    if (zone && !form.elements.since.value && !form.elements.until.value) zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#filter(form, 0);
    });
    form.addEventListener("input", (event) => this.#filter(form, event.target.matches("select") ? 0 : TYPING_MS));
    root.addEventListener("headway:rows", ({ detail }) => this.#take(detail));
    root.addEventListener("scroll", (event) => event.target === this.#lines && this.#scrolled(), true);
    root.addEventListener("click", (event) => this.#click(event.target));
    this.#wrap(remembered());
    this.#begin();
  }

  get #view() {
    return this.#root.querySelector("[data-view]");
  }

  get #lines() {
    return this.#root.querySelector("[data-lines]");
  }

  get #rows() {
    return this.#root.querySelector("[data-rows]");
  }

  // Whether lines that come now may belong here.
  get #isLive() {
    return "live" in this.#view.dataset;
  }

  #begin() {
    this.#held = [];
    this.#heldCount = 0;
    this.#following = true;
    this.#stopped = false;
    if (this.#isLive) this.#toEnd();
    this.#say();
  }

  #belongs(row) {
    const { level, source, q } = this.#view.dataset;
    if (level && LEVELS.indexOf(row.dataset.level) < LEVELS.indexOf(level)) return false;
    if (source && row.dataset.source !== source) return false;
    return !q || textOf(row).toLowerCase().includes(q.toLowerCase());
  }

  #take({ rows, skipped }) {
    const ours = rows.filter((row) => this.#belongs(row));
    if (!ours.length && skipped === 0) return;
    this.#heldCount = sum(sum(this.#heldCount, skipped), ours.length);
    this.#held.push(...(skipped === 0 ? [] : [marker(skipped)]), ...ours);
    if (this.#held.length > MOST) this.#drop(this.#held.length - MOST);
    if (this.#following) this.#release();
    this.#say();
  }

  // Of those that wait, the oldest make room.
  #drop(excess) {
    const gone = this.#held.splice(0, excess);
    const skipped = gone.reduce((known, one) => sum(known, "skipped" in one.dataset ? skippedOf(one) : 1), 0);
    this.#held.unshift(marker(skipped));
  }

  // All in one go.
  #release() {
    if (!this.#held.length) return;
    this.#root.querySelector("[data-first]")?.remove();
    this.#listen();
    const batch = document.createDocumentFragment();
    batch.append(...this.#held);
    sayTimes(batch);
    merge(this.#rows.lastElementChild, batch.firstElementChild);
    this.#rows.append(batch);
    this.#held = [];
    this.#heldCount = 0;
    this.#trim();
    this.#toEnd();
  }

  // The oldest leave the page; the link to older ones leads to them from then on.
  #trim() {
    const looked = this.#root.querySelector("[data-looked]");
    const shown = [...this.#rows.children].filter((one) => one !== looked);
    if (shown.length <= MOST) return;
    shown.slice(0, shown.length - MOST).forEach((one) => one.remove());
    const oldest = this.#rows.querySelector("[data-id]");
    if (!looked || !oldest) return;
    const link = document.createElement("a");
    link.className = "linked";
    link.textContent = "Older lines";
    link.href = new URL(looked.dataset.looked, location.href);
    link.search = new URLSearchParams([...new URLSearchParams(link.search), ["before", oldest.dataset.id]]);
    looked.replaceChildren(link);
  }

  // A flood is not read out.
  #listen() {
    const now = performance.now();
    this.#came = [...this.#came.filter((at) => now - at < FLOOD_MS), ...this.#held.map(() => now)].slice(-FLOOD - 1);
    this.#lines.setAttribute("aria-live", this.#came.length > FLOOD ? "off" : "polite");
  }

  #toEnd() {
    const lines = this.#lines;
    lines.scrollTop = lines.scrollHeight;
    this.#placed = lines.scrollTop;
  }

  #scrolled() {
    const lines = this.#lines;
    const atEnd = lines.scrollHeight - lines.clientHeight - lines.scrollTop < NEAR_PX;
    const ours = lines.scrollTop === this.#placed;
    if (!ours && atEnd !== this.#following && !this.#stopped && this.#isLive) this.#follow(atEnd);
  }

  #follow(on) {
    this.#following = on;
    if (on) {
      this.#release();
      this.#toEnd();
    }
    this.#say();
  }

  #say() {
    const button = this.#root.querySelector("[data-follow]");
    button.hidden = !this.#isLive;
    button.setAttribute("aria-pressed", String(this.#following));
    const more = this.#root.querySelector("[data-more-lines]");
    if (!more) return;
    more.hidden = this.#following || !this.#held.length;
    more.textContent = this.#heldCount === null ? "New lines" : count(this.#heldCount, "new line");
  }

  #click(target) {
    if (target.closest("[data-follow], [data-more-lines]")) {
      this.#stopped = this.#following;
      this.#follow(!this.#following);
    }
    if (target.closest("[data-wrap]")) this.#wrap(!this.#root.hasAttribute("data-wrapping"));
    const copies = target.closest("[data-copy-lines]");
    if (copies) copyBy(copies, [...this.#rows.querySelectorAll("[data-id]")].map((row) => `${asText(row)}\n`).join(""));
  }

  #wrap(on) {
    this.#root.toggleAttribute("data-wrapping", on);
    this.#root.querySelector("[data-wrap]").setAttribute("aria-pressed", String(on));
    remember(on);
    if (this.#following && this.#isLive) this.#toEnd();
  }

  #filter(form, afterMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#show(form), afterMs);
  }

  // Take over what the server shows for the form. The last change wins.
  async #show(form) {
    const asked = ++this.#asked;
    const said = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    if (!said.has("since") && !said.has("until")) said.delete("zone");
    const { viewer, compact } = this.#root.dataset;
    const query = new URLSearchParams([...said, ...(compact ? [["compact", compact]] : [])]);
    const answer = await fetch(`${viewer}?${query}`, { headers: { "HX-Request": "true", "HX-Current-URL": location.href } }).catch(() => null);
    if (asked !== this.#asked || !answer) return;
    const elsewhere = answer.headers.get("HX-Redirect");
    if (elsewhere) return void location.assign(elsewhere);
    const template = document.createElement("template");
    template.innerHTML = await answer.text();
    if (asked !== this.#asked) return;
    if (!answer.ok) {
      this.#rows.replaceChildren(template.content);
      return;
    }
    this.#view.replaceWith(template.content);
    if (!compact) history.replaceState(history.state, "", said.size ? `?${said}` : location.pathname);
    sayTimes(this.#view);
    this.#begin();
    document.dispatchEvent(new Event("headway:parts"));
  }
}

const skippedOf = (one) => (one.dataset.skipped === "" ? null : Number(one.dataset.skipped));

// Two markers in a row say the same as one.
function merge(last, first) {
  if (!last || !first || !("skipped" in last.dataset) || !("skipped" in first.dataset)) return;
  first.replaceWith(marker(sum(skippedOf(last), skippedOf(first))));
  last.remove();
}

function remembered() {
  try {
    return localStorage.getItem(WRAP) !== "off";
  } catch {
    return true;
  }
}

function remember(on) {
  try {
    if (on) localStorage.removeItem(WRAP);
    else localStorage.setItem(WRAP, "off");
  } catch {
    // Storage may be forbidden; then it lasts as long as the page.
  }
}

export function startLogs() {
  for (const root of document.querySelectorAll("[data-viewer]")) new Viewer(root);
}
