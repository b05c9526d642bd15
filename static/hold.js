// New rows wait while somebody is in the list of jobs: with the pointer, by keys, or with a job ticked. The rows that are there go on
// living: the list is asked for from the row on that stands first now.
const LEFT_MS = 3000;
const LONGEST_NAME = 512; // of a part that the stream brings
const list = document.getElementById("region-job-list");
const active = document.querySelector("#region-active-jobs .part");
const part = list?.dataset.live;
const address = list?.getAttribute("hx-get");
const ticked = "input[name=job]:checked, #bulk input[type=hidden][name=job]";
let held = "";
let passed = ""; // where the list began when its new rows were asked for; it is not held there again
let leaving = 0;

const isBusy = () => list.matches(":hover") || list.querySelector(":focus-visible") || document.querySelector(ticked);

function ask(from) {
  if (from === held) return;
  const said = from && new URLSearchParams({ held: from });
  const name = from ? `${part}${part.includes(":") ? "&" : ":"}${said}` : part;
  if (!("polled" in list.dataset) && name.length > LONGEST_NAME) return;
  held = from;
  list.dataset.live = name;
  list.dataset.etag = "";
  list.setAttribute("hx-get", from ? `${address}${address.includes("?") ? "&" : "?"}${said}` : address);
  // What grows above it would move it as well.
  if (active) Object.assign(active.style, from ? { height: `${active.getBoundingClientRect().height}px`, overflowY: "auto" } : { height: "", overflowY: "" });
  document.dispatchEvent(new Event("headway:parts"));
}

function first() {
  const head = list.querySelector("[data-head]")?.dataset.head ?? "";
  return head === passed ? "" : head;
}

function consider() {
  clearTimeout(leaving);
  if (isBusy()) ask(held || first());
  else if (held) leaving = setTimeout(() => isBusy() || ask(""), LEFT_MS);
}

if (part && first()) {
  for (const name of ["pointerenter", "pointerleave", "focusin", "focusout"]) list.addEventListener(name, () => setTimeout(consider));
  document.addEventListener("change", () => setTimeout(consider));
  document.addEventListener("htmx:after:swap", () => held || consider());
  addEventListener("pageshow", consider);
  list.addEventListener("click", (event) => {
    if (!event.target.closest("[data-show-new]")) return;
    passed = first();
    ask("");
    list.dispatchEvent(new Event("catchup"));
  });
}
