// A job at work keeps its place until it leaves, and the next that comes takes that: else all behind it would move at each end.
const FREE_MS = 10_000; // a place that nothing takes is closed up then
const isFree = (job) => job.classList.contains("left");

// Out of sight, and as high as the job that stood there.
function leave(job) {
  if (isFree(job)) return job.cloneNode(true);
  const free = job.cloneNode(true);
  free.id = `left-${job.id}`;
  free.classList.add("left");
  setTimeout(close, FREE_MS, free.id);
  return free;
}

function close(id) {
  const free = document.getElementById(id);
  if (free?.parentElement.matches(":hover, :focus-within")) setTimeout(close, FREE_MS, id);
  else free?.remove();
}

function arrange(list, coming) {
  const before = [...list.children];
  const after = [...coming.children];
  const fresh = after.filter(({ id }) => !before.some((job) => job.id === id));
  const placed = before.map((job) => after.find(({ id }) => id === job.id) ?? fresh.shift() ?? leave(job));
  while (placed.length && isFree(placed.at(-1))) placed.pop();
  coming.replaceChildren(...placed, ...fresh);
}

export function keepPlaces() {
  document.addEventListener("htmx:before:swap", ({ detail: { tasks } }) => {
    for (const { fragment, target } of tasks) {
      const list = target.querySelector("[data-places]");
      const coming = fragment.querySelector("[data-places]");
      if (list && coming) arrange(list, coming);
    }
  });
}
