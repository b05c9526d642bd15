// Jobs that are chosen for the form `bulk`. They stay chosen while the list is refreshed, also where a row leaves the page.
const form = document.getElementById("bulk");
const chosen = new Set();

const boxes = () => [...document.querySelectorAll("input[type=checkbox][name=job][form=bulk]")];

// What is chosen and stands on the page no longer goes with the form all the same.
function keepUnseen(seen) {
  form.querySelectorAll("input[type=hidden][name=job]").forEach((field) => field.remove());
  const unseen = [...chosen].filter((number) => !seen.has(number));
  form.append(...unseen.map((value) => Object.assign(document.createElement("input"), { type: "hidden", name: "job", value })));
  return unseen.length;
}

function tell() {
  const here = boxes();
  const unseen = keepUnseen(new Set(here.map((box) => box.value)));
  const ticked = here.filter((box) => box.checked).length;
  for (const all of document.querySelectorAll("[data-pick-all]")) {
    all.checked = ticked > 0 && ticked === here.length;
    all.indeterminate = ticked > 0 && ticked < here.length;
    all.disabled = !here.length;
  }
  meant();
  const words = chosen.size ? `${chosen.size} chosen${unseen ? `, ${unseen} no longer on this page` : ""} ·` : "";
  for (const place of document.querySelectorAll("[data-picked]")) {
    if (place.textContent !== words) place.textContent = words;
  }
}

// Beside the buttons stands how many they are for. All that match are those of the store, which the list counts where it can.
function meant() {
  const many = document.querySelector("[data-matching]")?.dataset.matching ?? "";
  const all = form.elements.all;
  if (all) form.querySelector("[data-many]").textContent = many && `(${many})`;
  const jobs = all?.checked ? `all ${many || "jobs"} that match, ticked or not` : `the ${chosen.size} chosen ${chosen.size === 1 ? "job" : "jobs"}`;
  const place = form.querySelector("[data-meant]");
  if (place.textContent !== `With ${jobs}:`) place.textContent = `With ${jobs}:`;
}

function note(box) {
  if (box.checked) chosen.add(box.value);
  else chosen.delete(box.value);
}

if (form) {
  document.addEventListener("change", ({ target }) => {
    if (target.matches("[data-pick-all]")) {
      for (const box of boxes()) {
        box.checked = target.checked;
        note(box);
      }
    } else if (target.matches("input[name=job]")) note(target);
    else if (target !== form.elements.all) return;
    tell();
  });
  document.addEventListener("htmx:after:swap", () => {
    for (const box of boxes()) box.checked = chosen.has(box.value);
    tell();
  });
  // A page that a reader comes back to has its boxes as they were left.
  const begin = () => {
    boxes().forEach(note);
    tell();
  };
  addEventListener("pageshow", begin);
  begin();
}
