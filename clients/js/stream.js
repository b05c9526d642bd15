import { EventReader } from "./sse.js";

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 30_000;
/** The server sends at least a comment every 30 s. A connection that was silent for so long is dead. */
const SILENCE_MS = 75_000;
/** A connection that lived for so long was a good one: what failed before it no longer counts. */
const GOOD_MS = 5000;
/** Headway's answers that stay the same however often one asks. */
const FINAL = new Set([400, 403, 404, 405, 406, 410, 422]);

/** Why a stream is not open. `status` is the HTTP status where there was an answer; `final`: nobody tries again. */
export class StreamError extends Error {
  constructor(message, { status, final = false, cause } = {}) {
    super(message, { cause });
    this.name = "StreamError";
    this.status = status;
    this.final = final;
  }
}

/** A path of the site as a whole URL. `base` is the site's address; in a page '' is the page's own origin. */
export function locate(base, path) {
  const here = globalThis.document?.baseURI ?? globalThis.location?.href;
  try {
    return new URL(base.replace(/\/+$/, "") + path, here);
  } catch {
    throw new TypeError(`${JSON.stringify(base)} is no address of a site, for example https://headway.example.com`);
  }
}

/** What was given, or what the given function answers now. */
export async function present(given, signal) {
  return typeof given === "function" ? given({ signal }) : given;
}

/** How long to wait before try number `failures` + 1, in milliseconds: longer each time, and never all at once. */
export function backoff(failures, firstMs = FIRST_RETRY_MS) {
  return Math.min(LONGEST_RETRY_MS, firstMs * 2 ** failures) * (0.5 + Math.random());
}

/**
 * A stream of events that stays open until `close()`: whatever ends it, it comes back and goes on behind the last
 * event it had. `hears` gets `events(events)`, `opened()`, `lost(error)` and, at the end, `closed(error | null)`.
 */
export class Stream {
  #url;
  #options;
  #hears;
  #reader = new EventReader();
  #closing = new AbortController();
  #failures = 0;
  /** What the server says of when to come back: always, and after this connection. */
  #retryMs;
  #comeBackMs;

  constructor(url, options, hears) {
    this.#url = url;
    this.#options = options;
    this.#hears = hears;
    const { signal } = options;
    if (signal?.aborted) this.#closing.abort();
    else signal?.addEventListener("abort", () => this.close(), { once: true, signal: this.#closing.signal });
    // Not at once: who asks and closes in one breath, as React's strict mode does, sends no request.
    queueMicrotask(() => this.#run());
  }

  close() {
    this.#closing.abort();
  }

  async #run() {
    const { signal } = this.#closing;
    let end = null;
    while (!signal.aborted) {
      this.#comeBackMs = undefined;
      const lost = await this.#listen();
      if (signal.aborted) break;
      if (lost.final) {
        end = lost;
        break;
      }
      this.#hears.lost(lost);
      const waitMs = Math.max(lost.retryAfterMs ?? 0, backoff(this.#failures, this.#retryMs));
      this.#failures += 1;
      await rest(this.#comeBackMs ?? waitMs, signal);
    }
    this.#closing.abort();
    this.#hears.closed(end);
  }

  /** One connection, from its request to its end; why it ended. */
  async #listen() {
    const connection = new AbortController();
    const abort = () => connection.abort();
    this.#closing.signal.addEventListener("abort", abort, { once: true });
    let silence;
    const alive = () => {
      clearTimeout(silence);
      silence = setTimeout(abort, SILENCE_MS);
    };
    try {
      alive();
      const body = await this.#open(connection.signal);
      const good = setTimeout(() => (this.#failures = 0), GOOD_MS);
      connection.signal.addEventListener("abort", () => clearTimeout(good));
      await this.#read(body, alive);
      return new StreamError("the site ended the stream");
    } catch (error) {
      return error instanceof StreamError ? error : new StreamError("the site is not reachable", { cause: error });
    } finally {
      clearTimeout(silence);
      this.#closing.signal.removeEventListener("abort", abort);
      connection.abort();
    }
  }

  async #read(body, alive) {
    this.#reader.reset();
    this.#hears.opened();
    const text = body.pipeThrough(new TextDecoderStream()).getReader();
    for (let piece = await text.read(); !piece.done; piece = await text.read()) {
      if (this.#closing.signal.aborted) return;
      alive();
      const events = this.#reader.read(piece.value);
      if (events.some(({ name }) => name === "reconnect")) this.#comeBackMs = this.#reader.retryMs;
      else this.#retryMs = this.#reader.retryMs;
      if (events.length) this.#hears.events(events);
    }
  }

  async #open(signal) {
    const { fetch = globalThis.fetch } = this.#options;
    const ticket = await present(this.#options.ticket, signal);
    const token = ticket == null ? await present(this.#options.token, signal) : null;
    const url = new URL(this.#url);
    const headers = { Accept: "text/event-stream" };
    if (ticket != null) url.searchParams.set("ticket", ticket);
    if (token != null) headers.Authorization = `Bearer ${token}`;
    if (this.#reader.lastEventId) headers["Last-Event-ID"] = this.#reader.lastEventId;
    // The session's cookie, where there is nothing else to show.
    const credentials = ticket == null && token == null ? "include" : "omit";
    const answer = await fetch(url, { headers, credentials, signal, cache: "no-store" });
    if (answer.status !== 200) throw await refusal(answer);
    return answer.body;
  }
}

async function refusal(answer) {
  const { status } = answer;
  // A router on the way says 404 too while the site is being deployed.
  const ours = answer.headers.get("Content-Type")?.startsWith("application/problem+json");
  const problem = ours ? await answer.json().catch(() => ({})) : {};
  const error = new StreamError(problem.detail ?? `the site answered ${status}`, {
    status,
    final: ours && FINAL.has(status),
  });
  const seconds = Number(answer.headers.get("Retry-After"));
  if (seconds > 0) error.retryAfterMs = seconds * 1000 * (1 + Math.random() / 2);
  return error;
}

function rest(ms, signal) {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
