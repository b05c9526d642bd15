// The search box of jobs: what may come next in it, chosen by keys or a pointer. Without this script it is a plain field.
// The site counts characters where a field counts UTF-16 units, of which an emoji has two.
import { plain } from "./directions.js";

const box = document.querySelector("[data-completion]");
const WAIT_MS = 90;

class Completion {
  constructor(field, list, source) {
    Object.assign(this, { field, list, source, found: null, active: -1, waiting: 0, asking: null });
    for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-controls", list.id], ["aria-expanded", "false"]]) {
      field.setAttribute(name, value);
    }
    field.addEventListener("input", () => this.soon());
    field.addEventListener("click", () => field.value || this.ask());
    field.addEventListener("blur", () => this.close());
    field.addEventListener("keydown", (event) => this.press(event));
    list.addEventListener("pointerdown", (event) => event.preventDefault()); // the field keeps the focus
    list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.choose([...list.children].indexOf(option));
    });
  }

  get open() {
    return !this.list.hidden;
  }

  // Whether something of a word is typed, and the list is of just that; where nothing is, Tab goes on to the next field.
  get isBegun() {
    return this.found.end > this.found.begin && this.found.end === this.field.selectionEnd;
  }

  soon() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.ask(), WAIT_MS);
  }

  async ask() {
    clearTimeout(this.waiting);
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    const { value: q, selectionEnd } = this.field;
    const characters = [...q];
    const units = (count) => characters.slice(0, count).join("").length;
    const at = [...q.slice(0, selectionEnd)].length;
    try {
      const answer = await fetch(`${this.source}?${new URLSearchParams({ q, at })}`, { signal: asking.signal });
      const found = answer.ok ? await answer.json() : null;
      if (asking !== this.asking || document.activeElement !== this.field) return;
      this.show(found && { ...found, begin: units(found.begin), end: units(found.end) });
    } catch (fault) {
      if (fault.name !== "AbortError") this.close();
    }
  }

  show(found) {
    this.found = found;
    if (!found?.options.length) return this.close();
    this.list.replaceChildren(...found.options.map(({ label, says }, place) => {
      const option = document.createElement("li");
      Object.assign(option, { id: `${this.list.id}-${place}`, role: "option" });
      option.append(Object.assign(document.createElement("bdi"), { textContent: plain(label) }));
      if (says) option.append(Object.assign(document.createElement("span"), { textContent: says }));
      return option;
    }));
    this.list.hidden = false;
    this.list.scrollTop = 0;
    this.field.setAttribute("aria-expanded", "true");
    this.mark(-1);
  }

  close() {
    clearTimeout(this.waiting);
    this.asking?.abort();
    this.asking = null;
    this.list.hidden = true;
    this.field.setAttribute("aria-expanded", "false");
    this.mark(-1);
  }

  mark(place) {
    this.active = place;
    [...this.list.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === place)));
    const option = this.list.children[place];
    if (!option) return this.field.removeAttribute("aria-activedescendant");
    this.field.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  choose(place) {
    const { begin, end } = this.found;
    const { text } = this.found.options[place];
    const behind = this.field.value.slice(end);
    this.field.setRangeText(text, begin, text.endsWith(" ") && behind.startsWith(" ") ? end + 1 : end, "end");
    this.close();
    if (text.endsWith(":")) this.ask();
  }

  press(event) {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.list.children.length - 1;
    const steps = { ArrowDown: this.active < last ? this.active + 1 : -1, ArrowUp: this.active < 0 ? last : this.active - 1 };
    if (event.key in steps) {
      if (this.open) this.mark(steps[event.key]);
      else this.ask();
    } else if (this.open && event.key === "Escape") this.close();
    else if (this.open && this.active >= 0 && ["Enter", "Tab"].includes(event.key)) this.choose(this.active);
    else if (this.open && event.key === "Tab" && !event.shiftKey && this.isBegun) this.choose(0);
    else return;
    event.preventDefault();
  }
}

if (box) new Completion(box.querySelector("input"), box.querySelector("[role=listbox]"), box.dataset.completion);
