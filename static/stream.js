// This tab's end of the stream: shared with the other tabs by a SharedWorker, or its own where there is none.
import { Share } from "./stream-share.js";

const PATIENCE_MS = 10_000;
const NAME = "headway-stream-3"; // another number where a tab and the worker say something new: both may be of two releases
const base = document.body.dataset.base;

export class Stream {
  static possible = typeof EventSource === "function";
  #hear;
  #post = null;
  #wanted = null;

  // `hear(message)` is told what `stream-share.js` tells a tab.
  constructor(hear) {
    this.#hear = hear;
    try {
      this.#begin(new SharedWorker(`${base}/static/stream-worker.js`, { type: "module", name: NAME }));
    } catch {
      this.#alone();
    }
  }

  want(parts, notes) {
    this.#wanted = { kind: "want", parts, notes };
    this.#post?.(this.#wanted);
  }

  #begin(worker) {
    const { port } = worker;
    let ready = false;
    const giveUp = () => {
      if (ready) return;
      ready = true;
      port.close();
      this.#alone();
    };
    worker.onerror = giveUp;
    setTimeout(giveUp, PATIENCE_MS);
    port.onmessage = ({ data }) => {
      if (data.kind === "unfit") giveUp();
      else if (data.kind === "ready") {
        if (ready) return;
        ready = true;
        this.#post = (message) => port.postMessage(message);
        if (this.#wanted) this.#post(this.#wanted);
      } else {
        if (data.kind === "pulse") port.postMessage({ kind: "here" });
        this.#hear(data);
      }
    };
    addEventListener("pagehide", () => port.postMessage({ kind: "leave" }));
  }

  #alone() {
    const share = new Share(`${base}/dashboard/stream`);
    const tab = {
      tell: (message) => {
        share.here(tab);
        this.#hear(message);
      },
    };
    this.#post = ({ parts, notes }) => share.want(tab, parts, notes);
    if (this.#wanted) this.#post(this.#wanted);
  }
}
