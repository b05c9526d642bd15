// Searching in a long text of the page: an input with data-find="SELECTOR" shows only the lines that hold what is typed.
// The found lines stand in an element of their own, which a refresh of the panel leaves alone.
function find(field) {
  const source = document.querySelector(field.dataset.find);
  const panel = field.closest(".panel");
  const found = panel?.querySelector("[data-found]");
  const tally = panel?.querySelector("[data-tally]");
  if (!source || !found || !tally) return;
  const sought = field.value.trim().toLowerCase();
  panel.toggleAttribute("data-finding", Boolean(sought));
  if (!sought) {
    found.replaceChildren();
    tally.textContent = "";
    return;
  }
  const lines = source.textContent.split("\n");
  const hits = lines.filter((line) => line.toLowerCase().includes(sought));
  found.replaceChildren(...hits.flatMap((line) => [...marked(line, sought), "\n"]));
  tally.textContent = `${hits.length.toLocaleString()} of ${lines.length.toLocaleString()} lines`;
}

function marked(line, sought) {
  const parts = [];
  const lower = line.toLowerCase();
  let from = 0;
  for (let at = lower.indexOf(sought); at >= 0; at = lower.indexOf(sought, from)) {
    const mark = document.createElement("mark");
    mark.textContent = line.slice(at, at + sought.length);
    parts.push(line.slice(from, at), mark);
    from = at + sought.length;
  }
  parts.push(line.slice(from));
  return parts;
}

document.addEventListener("input", (event) => event.target.matches?.("[data-find]") && find(event.target));
document.addEventListener("htmx:after:swap", (event) => {
  const field = event.detail.ctx.sourceElement?.querySelector?.("[data-find]");
  if (field?.value) find(field);
});
