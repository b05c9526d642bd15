// Fields of times speak the reader's own zone; without this script they are in UTC.
const zone = document.querySelector("form.search [data-zone]");
const name = Intl.DateTimeFormat().resolvedOptions().timeZone;

function local(ms) {
  const moment = new Date(Number(ms));
  return new Date(moment - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

if (zone && name) {
  zone.value = name;
  document.querySelector("[data-zone-name]").textContent = name;
  for (const field of zone.form.querySelectorAll("input[data-at]")) field.value = local(field.dataset.at);
  // What says nothing need not stand in the address.
  zone.form.addEventListener("submit", () => {
    const fields = [...zone.form.elements].filter((field) => field.name);
    const dated = fields.some((field) => field.type === "datetime-local" && field.value);
    for (const field of fields) field.disabled = !field.value || (field === zone && !dated);
  });
  addEventListener("pageshow", () => {
    for (const field of zone.form.elements) field.disabled = false;
  });
}
