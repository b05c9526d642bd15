/** Reads a `text/event-stream` piece by piece, as the HTML standard defines it. */
export class EventReader {
  /** The id that a client coming back sends as `Last-Event-ID`. */
  lastEventId = "";
  /** Milliseconds after which the server wants a lost client back, as it said last. */
  retryMs = undefined;
  #rest = "";
  #endedInReturn = false;
  #name = "";
  #data = [];
  #id = "";

  /** Forget the unfinished event of a connection that broke; the id and the time to retry stay. */
  reset() {
    this.#rest = "";
    this.#endedInReturn = false;
    this.#name = "";
    this.#data = [];
    this.#id = this.lastEventId;
  }

  /** The events that end in this piece of text: `{name, data, id}`, the name of unnamed ones being `message`. */
  read(text) {
    if (text === "") return [];
    if (this.#endedInReturn && text[0] === "\n") text = text.slice(1);
    const ends = /\r\n?|\n/g;
    ends.lastIndex = this.#rest.length;
    const events = [];
    const known = this.#rest + text;
    let start = 0;
    for (let end = ends.exec(known); end; end = ends.exec(known)) {
      const event = this.#line(known.slice(start, end.index));
      if (event) events.push(event);
      start = ends.lastIndex;
    }
    this.#endedInReturn = known.endsWith("\r");
    this.#rest = known.slice(start);
    return events;
  }

  #line(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#name = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
    return undefined;
  }

  #dispatch() {
    this.lastEventId = this.#id;
    const event = { name: this.#name || "message", data: this.#data.join("\n"), id: this.#id };
    const empty = this.#data.length === 0;
    this.#name = "";
    this.#data = [];
    return empty ? undefined : event;
  }
}
