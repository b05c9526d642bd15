import { Stream, locate } from "./stream.js";

/** Of so many events it is remembered that they were heard. */
const REMEMBERED = 256;
const EMPTY = Object.freeze({ updates: Object.freeze([]), isConnected: false, degraded: null, error: null });

/** Follows a stream of updates and keeps the newest of them. */
class Monitor {
  state = EMPTY;
  #stream;
  #options;
  #keep;
  #heard = new Set();
  #over;

  constructor(base, path, options, keep) {
    this.#options = options;
    this.#keep = keep;
    this.closed = new Promise((resolve) => (this.#over = resolve));
    this.#stream = new Stream(locate(base, path), options, {
      opened: () => this.#move({ isConnected: true, degraded: null, error: null }),
      events: (events) => this.#take(events),
      lost: (error) => this.#lose(error),
      closed: (error) => this.#end(error),
    });
  }

  get updates() {
    return this.state.updates;
  }

  get isConnected() {
    return this.state.isConnected;
  }

  close() {
    this.#stream.close();
  }

  #move(changes) {
    const before = this.state;
    this.state = Object.freeze({ ...before, ...changes });
    if (before.isConnected !== this.state.isConnected) this.#tell("onConnection", this.state.isConnected);
    this.#tell("onChange", this.state);
  }

  #lose(error) {
    this.#move({ isConnected: false, error });
    this.#tell("onError", error);
  }

  #end(error) {
    if (error) this.#lose(error);
    else if (this.state.isConnected) this.#move({ isConnected: false });
    this.#over();
  }

  /** Events that came together change the state once. */
  #take(events) {
    let { updates, degraded } = this.state;
    for (const { name, data, id } of events) {
      if (name === "message") {
        if (this.#twice(id, data)) continue;
        const update = Object.freeze(JSON.parse(data));
        updates = this.#keep(updates, update);
        this.#tell("onUpdate", update);
      } else if (name === "gap") {
        updates = EMPTY.updates;
        this.#heard.clear();
        this.#tell("onGap", JSON.parse(data));
      } else if (name === "degraded") {
        degraded = JSON.parse(data);
        this.#tell("onDegraded", degraded);
      } else if (name === "recovered") {
        degraded = null;
        this.#tell("onRecovered", JSON.parse(data));
      }
    }
    if (updates !== this.state.updates || degraded !== this.state.degraded) this.#move({ updates, degraded });
  }

  /** Present states share the id of where they were read, so the id alone does not tell one event from another. */
  #twice(id, data) {
    if (!id) return false;
    const event = `${id} ${data}`;
    if (this.#heard.has(event)) return true;
    this.#heard.add(event);
    if (this.#heard.size > REMEMBERED) this.#heard.delete(this.#heard.values().next().value);
    return false;
  }

  /** A caller's fault is the caller's to see, and does not end the stream. */
  #tell(name, value) {
    try {
      this.#options[name]?.(value);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

/** All jobs, or those of an `agent`: `updates` holds the present state of each that moved, the last one first. */
export function progressMonitor(url = "", options = {}) {
  const { limit = 50, agent } = options;
  return new Monitor(url, `/api/v1/progress/stream${of(agent)}`, options, (updates, update) => {
    const others = updates.filter(({ queue_id }) => queue_id !== update.queue_id);
    return Object.freeze([update, ...others.slice(0, limit - 1)]);
  });
}

/** One job, by its number or by its `id` (with `agent`): `updates` holds its last ones, newest first. */
export function queueItemMonitor(url, id, options = {}) {
  const { limit = 50, agent } = options;
  const path = `/api/v1/progress/stream/${encodeURIComponent(id)}${of(agent)}`;
  return new Monitor(url, path, options, (updates, update) => Object.freeze([update, ...updates.slice(0, limit - 1)]));
}

function of(agent) {
  return agent == null ? "" : `?agent=${encodeURIComponent(agent)}`;
}

/** A ticket with which a page of another origin may open one stream, once. Ask for it where the token is at home. */
export async function newTicket(url, token) {
  const answer = await fetch(locate(url, "/api/v1/tickets"), {
    method: "POST",
    headers: { Authorization: `Bearer ${token}` },
  });
  if (!answer.ok) throw new Error(`${url} gave no ticket: it answered ${answer.status}`);
  return (await answer.json()).ticket;
}
