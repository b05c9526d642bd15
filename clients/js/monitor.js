import { Stream, locate } from "./stream.js";

/** Of so many events it is remembered that they were heard. */
const REMEMBERED = 256;
const AWAY = { isConnected: false, degraded: null, error: null };

/**
 * What may come on any stream, and at any time again. Of each event's name: which callback is told of it, and what of the
 * state changes, given the state and the event's value.
 */
const OF_ALL = {
  gap: ["onGap", () => ({})],
  degraded: ["onDegraded", (_, degraded) => ({ degraded })],
  recovered: ["onRecovered", () => ({ degraded: null })],
};

/** Follows a stream and keeps in `state` what there is to show: `kept` before anything came, and what `hears` makes of it. */
export class Monitor {
  state;
  #stream;
  #options;
  #hears;
  #heard = new Set();
  #over;

  constructor(base, path, options, kept, hears) {
    this.state = Object.freeze({ ...kept, ...AWAY });
    this.#options = options;
    this.#hears = { ...OF_ALL, ...hears };
    this.closed = new Promise((resolve) => (this.#over = resolve));
    this.#stream = new Stream(locate(base, path), options, {
      opened: () => this.#move({ isConnected: true, degraded: null, error: null }),
      events: (events) => this.#take(events),
      lost: (error) => this.#lose(error),
      closed: (error) => this.#end(error),
    });
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
    let changes = {};
    for (const { name, data, id } of events) {
      if (!Object.hasOwn(this.#hears, name)) continue;
      if (!Object.hasOwn(OF_ALL, name) && this.#twice(id, data)) continue;
      if (name === "gap") this.#heard.clear();
      const [callback, change] = this.#hears[name];
      const value = Object.freeze(JSON.parse(data));
      changes = { ...changes, ...change({ ...this.state, ...changes }, value) };
      this.#tell(callback, value);
    }
    if (Object.keys(changes).some((name) => changes[name] !== this.state[name])) this.#move(changes);
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
