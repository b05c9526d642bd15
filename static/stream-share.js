// One stream for all tabs that share it. A tab says which parts of pages it shows, and under which tags; the stream
// carries all of them together, and each tab hears of its own. A tab is whatever has `tell(message)`. A part `feed:NAME` is a
// list that grows: it has no tag, and what it missed until it is heard a tab asks for by itself.
const SETTLE_MS = 20;
const SHRINK_MS = 5000;
const CHECK_MS = 1000;
const PATIENCE_MS = 10_000;
const GONE_MS = 60_000;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15_000;
const LONGEST_QUERY = 3500; // servers and proxies take no address of any length
const TAG_LENGTH = 52; // with what stands around a part and its tag
const FEED = "feed:";
const HEAD = /^<hx-partial data-part="([^"]*)"[^>]* data-etag="([^"]*)"/;

function spread(ms) {
  return ms * (0.7 + 0.6 * Math.random());
}

export class Share {
  #url;
  #tabs = new Map(); // each with the tags of its parts, whether it shows notifications, and when it was heard
  #line = null; // the open stream: its source, the tags that it was asked under, the feeds that it has joined, and when it was heard
  #next = null; // the one that will take its place
  #newest = new Map(); // what the open stream brought of each part
  #away = null;
  #silenceMs = PATIENCE_MS;
  #pauseMs = FIRST_PAUSE_MS;
  #timer = 0;
  #settlesAt = Infinity;
  #shrinksAt = Infinity;

  constructor(url) {
    this.#url = url;
    setInterval(() => this.#check(), CHECK_MS);
  }

  // `parts`: names with the tags of what the tab shows; none rests the tab. `notes`: whether it shows notifications.
  want(tab, parts, notes) {
    const tags = new Map(Object.entries(parts));
    if (!tags.size) {
      this.leave(tab);
      return;
    }
    this.#tabs.set(tab, { tags, notes, heardAt: Date.now() });
    if (this.#line) {
      tab.tell({ kind: "open", parts: [...this.#line.tags.keys()] });
      if (this.#away) tab.tell(this.#away);
      for (const name of tags.keys()) this.#pass(tab, name);
      for (const part of this.#line.feeds) if (tags.has(part)) tab.tell({ kind: "feed", part });
    }
    this.#settle(SETTLE_MS);
  }

  leave(tab) {
    if (this.#tabs.delete(tab)) this.#settle(SETTLE_MS);
  }

  // A tab is still there.
  here(tab) {
    const known = this.#tabs.get(tab);
    if (known) known.heardAt = Date.now();
  }

  // See to it that the stream carries what is wanted; once for all who ask within so long.
  #settle(ms) {
    const at = Date.now() + ms;
    if (at >= this.#settlesAt) return;
    clearTimeout(this.#timer);
    this.#settlesAt = at;
    this.#timer = setTimeout(() => {
      this.#settlesAt = Infinity;
      const union = this.#union();
      if (!union.size) this.#close();
      else if (this.#lacks(union)) this.#connect(union);
    }, ms);
  }

  // What all tabs want, or as much of it as can be asked for; the others go on polling. Where tabs show different things no
  // tag is named, so that the present one comes.
  #union() {
    const union = new Map();
    let room = LONGEST_QUERY;
    for (const { tags } of this.#tabs.values()) {
      for (const [name, tag] of tags) {
        if (union.has(name)) union.set(name, union.get(name) === tag ? tag : "");
        else if ((room -= encodeURIComponent(name).length + TAG_LENGTH) > 0) union.set(name, tag);
      }
    }
    return union;
  }

  #lacks(union) {
    const asked = (this.#next ?? this.#line)?.tags;
    const comes = ([name, tag]) => asked.has(name) && (this.#newest.has(name) || ["", tag].includes(asked.get(name)));
    return !asked || ![...union].every(comes);
  }

  // The old stream stays until the new one is there.
  #connect(union) {
    this.#next?.source.close();
    const query = new URLSearchParams();
    const tags = new Map();
    for (const [name, tag] of union) {
      tags.set(name, this.#newest.get(name)?.tag ?? tag);
      query.append("part", name);
      query.append("tag", tags.get(name));
    }
    const source = new EventSource(`${this.#url}?${query}`);
    const line = { source, tags, feeds: new Set(), heardAt: Date.now() };
    this.#next = line;
    this.#shrinksAt = Infinity;
    const on = (event, hear) =>
      source.addEventListener(event, ({ data }) => {
        if (line !== this.#line && line !== this.#next) return;
        line.heardAt = Date.now();
        hear(data);
      });
    const onJson = (event, hear) => on(event, (data) => hear(JSON.parse(data)));
    on("message", (text) => this.#hearPart(text));
    onJson("connected", () => this.#take(line));
    onJson("pulse", (told) => this.#hearPulse(told));
    onJson("feed", ({ feed }) => {
      line.feeds.add(FEED + feed);
      this.#tellOf({ kind: "feed", part: FEED + feed });
    });
    onJson("rows", ({ feed, ...came }) => this.#tellOf({ kind: "rows", part: FEED + feed, ...came }));
    onJson("failed", (notes) => this.#hearFailed(notes));
    onJson("unavailable", ({ part }) => this.#hearUnavailable(part));
    onJson("degraded", ({ reason }) => this.#tellAll((this.#away = { kind: "degraded", reason })));
    onJson("recovered", () => {
      this.#away = null;
      this.#tellAll({ kind: "recovered" });
    });
    onJson("reconnect", ({ retry }) => this.#lose(line, retry));
    source.onerror = () => this.#lose(line);
  }

  #take(line) {
    this.#line?.source.close();
    this.#line = line;
    this.#next = null;
    this.#pauseMs = FIRST_PAUSE_MS;
    if (this.#away) this.#tellAll({ kind: "recovered" });
    this.#away = null; // the stream says so at once where it is not over
    for (const name of this.#newest.keys()) if (!line.tags.has(name)) this.#newest.delete(name);
    this.#tellAll({ kind: "open", parts: [...line.tags.keys()] });
  }

  #lose(line, pauseMs = spread(this.#pauseMs)) {
    line.source.close();
    if (line === this.#next) this.#next = null;
    else if (line === this.#line) {
      this.#line = null;
      this.#newest.clear();
      // Tabs ask for themselves meanwhile, so nobody knows here what they will show.
      for (const { tags } of this.#tabs.values()) for (const name of tags.keys()) tags.set(name, "");
    } else return;
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
    if (!this.#line) this.#tellAll({ kind: "lost" });
    this.#settle(pauseMs);
  }

  #close() {
    this.#line?.source.close();
    this.#next?.source.close();
    this.#line = this.#next = null;
    this.#newest.clear();
  }

  // A connection that is silent is as good as lost, a tab that does not answer is gone, and what nobody wants any more
  // is let go after a while.
  #check() {
    const now = Date.now();
    for (const line of [this.#line, this.#next]) if (line && now - line.heardAt > this.#silenceMs) this.#lose(line);
    if (!this.#line || this.#next) return;
    for (const [tab, { heardAt }] of this.#tabs) if (now - heardAt > GONE_MS) this.leave(tab);
    const union = this.#union();
    if (!union.size || union.size === this.#line.tags.size) this.#shrinksAt = Infinity;
    else if (this.#shrinksAt === Infinity) this.#shrinksAt = now + SHRINK_MS;
    else if (now > this.#shrinksAt) this.#connect(union);
  }

  #hearPart(text) {
    const found = text.match(HEAD);
    if (!found) return;
    const name = decodeURIComponent(found[1]);
    this.#newest.set(name, { text, tag: found[2].replaceAll("&#34;", '"') });
    for (const tab of this.#tabs.keys()) this.#pass(tab, name);
  }

  #pass(tab, name) {
    const { tags } = this.#tabs.get(tab);
    const newest = this.#newest.get(name);
    if (!newest || !tags.has(name) || tags.get(name) === newest.tag) return;
    tags.set(name, newest.tag);
    tab.tell({ kind: "part", part: name, ...newest });
  }

  #hearUnavailable(name) {
    this.#newest.delete(name);
    for (const line of [this.#line, this.#next]) line?.tags.set(name, "");
    for (const [tab, { tags }] of this.#tabs) {
      if (!tags.has(name)) continue;
      tags.set(name, "");
      tab.tell({ kind: "unavailable", part: name });
    }
  }

  #hearPulse({ sent_ms, every_s, refused }) {
    this.#silenceMs = 2000 * every_s + CHECK_MS;
    this.#tellAll({ kind: "pulse", lateMs: Date.now() - sent_ms, refused });
  }

  // Every tab shows them on its page, one of them as desktop notifications too.
  #hearFailed(notes) {
    const notifying = [...this.#tabs].find(([, known]) => known.notes)?.[0];
    for (const tab of this.#tabs.keys()) tab.tell({ kind: "failed", notes, notify: tab === notifying });
  }

  // Tell those that show a part.
  #tellOf(message) {
    for (const [tab, { tags }] of this.#tabs) if (tags.has(message.part)) tab.tell(message);
  }

  #tellAll(message) {
    for (const tab of this.#tabs.keys()) tab.tell(message);
  }
}
