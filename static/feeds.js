// Lists that grow. The stream brings their rows; what it could not bring is asked for: each row comes once, and in order.
// A feed is an element with data-live="feed:NAME", data-feed (where it is asked for) and data-after (the id of its newest row).
// It hears `headway:rows` with `{ rows, skipped }`: elements, oldest first, and how many before them are not among them.
const FEED = "feed:";
const MOST_HELD = 20;
const PATIENCE_MS = 10_000;

const asking = new WeakMap(); // what came over the stream of each feed that is being asked for
let heard = () => {};
let failed = () => {};

export const isFeed = (part) => part.dataset.live.startsWith(FEED);

// Ids are numbers with hyphens between them, told apart by the first that differs.
function isLater(id, than) {
  const [ours, others] = [id, than].map((one) => one.split("-").map(Number));
  const at = ours.findIndex((number, place) => number !== (others[place] ?? 0));
  return at >= 0 && ours[at] > (others[at] ?? 0);
}

function elements(htmls) {
  const template = document.createElement("template");
  template.innerHTML = htmls.join("");
  return [...template.content.children];
}

function show(feed, { rows, skipped, after }) {
  const known = feed.dataset.after;
  const fresh = elements(rows).filter((row) => isLater(row.dataset.id, known));
  if (isLater(after, known)) feed.dataset.after = after;
  if (fresh.length || skipped) feed.dispatchEvent(new CustomEvent("headway:rows", { detail: { rows: fresh, skipped } }));
}

// Rows of the stream. They come behind the row `since`: where the feed has not come so far, some were lost on the way.
export function takeRows(feed, came) {
  const held = asking.get(feed);
  if (held) held.push(came);
  else if (isLater(came.since, feed.dataset.after)) ask(feed);
  else show(feed, came);
}

async function fetched(feed) {
  const address = `${feed.dataset.feed}?${new URLSearchParams({ after: feed.dataset.after })}`;
  const headers = { "HX-Request": "true", "HX-Current-URL": location.href };
  const answer = await fetch(address, { headers, signal: AbortSignal.timeout(PATIENCE_MS) });
  heard(feed, answer);
  const elsewhere = answer.headers.get("HX-Redirect");
  if (elsewhere) location.assign(elsewhere);
  return answer.ok ? answer.json() : null;
}

async function ask(feed) {
  if (asking.has(feed)) return;
  asking.set(feed, []);
  const came = await fetched(feed).catch(() => void failed());
  const held = asking.get(feed);
  asking.delete(feed);
  if (came) show(feed, came);
  // What came meanwhile is behind what was answered, or in it; what can't be held is asked for again.
  if (held.length > MOST_HELD) ask(feed);
  else if (came) held.forEach((one) => takeRows(feed, one));
}

// `hear(feed, response)` is told each answer, `fail()` that there was none.
export function startFeeds(hear, fail) {
  heard = hear;
  failed = fail;
  for (const feed of document.querySelectorAll(`[data-live^="${FEED}"]`)) feed.addEventListener("catchup", () => ask(feed));
}
