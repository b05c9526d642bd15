// Lists that grow. The stream brings their rows; what it could not bring is asked for: each row comes once, and in order.
// A feed is an element with data-live="feed:NAME", data-feed (where it is asked for; a query in it narrows what is answered)
// and data-after (the id of the newest row that it had). It gets `headway:rows` with `{ rows, skipped }`: elements, oldest
// first, and how many before them are not among them, null where nobody counted those.
const FEED = "feed:";
const MOST_HELD = 20;
const PATIENCE_MS = 10_000;
const AGAIN_MS = 1000;

const asking = new WeakMap(); // what came over the stream of each feed that is being asked for
const askedAt = new WeakMap();
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
  if (!fresh.length && skipped === 0) return;
  feed.dispatchEvent(new CustomEvent("headway:rows", { bubbles: true, detail: { rows: fresh, skipped } }));
}

// Rows of the stream, which come behind the row `since`. Where the feed has not come so far, some were lost on the way; and of
// those that a flood left out, a narrowed list may want some.
export function takeRows(feed, came) {
  const held = asking.get(feed);
  if (held) held.push(came);
  else if (isLater(came.since, feed.dataset.after) || (came.skipped && feed.dataset.feed.includes("?"))) ask(feed);
  else show(feed, came);
}

async function fetched(feed) {
  const address = new URL(feed.dataset.feed, location.href);
  address.searchParams.set("after", feed.dataset.after);
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
  const pause = (askedAt.get(feed) ?? -AGAIN_MS) + AGAIN_MS - performance.now();
  if (pause > 0) await new Promise((done) => setTimeout(done, pause));
  askedAt.set(feed, performance.now());
  const came = await fetched(feed).catch(() => void failed());
  const held = asking.get(feed);
  asking.delete(feed);
  if (!came || !feed.isConnected) return;
  show(feed, came);
  // What came meanwhile is behind what was answered, or in it; of too much of it the rest is asked for again.
  if (held.length > MOST_HELD) ask(feed);
  else held.forEach((one) => takeRows(feed, one));
}

// `hear(feed, response)` is told each answer, `fail()` that there was none.
export function startFeeds(hear, fail) {
  heard = hear;
  failed = fail;
  document.addEventListener("catchup", ({ target }) => isFeed(target) && ask(target), true);
}
