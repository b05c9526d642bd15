import { agentSocket } from "./agents.js";
import { backoff, locate, present } from "./stream.js";

/** An agent that starts many jobs at once is asked about them once. */
const GATHER_MS = 500;

/** The jobs of an agent that are pending or processing, as they go. They are asked for anew at every connection. */
export function realtimeJobs(url = "", options) {
  const jobs = new ActiveJobs(url, options);
  jobs.open();
  return jobs;
}

class ActiveJobs {
  state = Object.freeze({ activeJobs: Object.freeze([]), isConnected: false, error: null });
  #url;
  #options;
  #socket;
  #jobs = new Map();
  /** What was heard since the list was asked for; null while nobody asks. */
  #heard = null;
  #stale = false;
  #failures = 0;
  #timer;
  #closing = new AbortController();

  constructor(url, options) {
    const { onChange, signal, ...ofSocket } = options;
    this.#url = locate(url, `/agents/${encodeURIComponent(options.agentId)}/jobs/active`);
    this.#options = options;
    this.#socket = agentSocket(url, ofSocket);
  }

  get activeJobs() {
    return this.state.activeJobs;
  }

  get isConnected() {
    return this.state.isConnected;
  }

  close() {
    clearTimeout(this.#timer);
    this.#closing.abort();
    this.#socket.close();
  }

  open() {
    const { signal } = this.#options;
    if (signal?.aborted) return this.close();
    signal?.addEventListener("abort", () => this.close(), { once: true, signal: this.#closing.signal });
    this.#socket.on("connect", () => {
      this.#move({ isConnected: true, error: null });
      this.#load();
    });
    this.#socket.on("disconnect", () => this.#move({ isConnected: false }));
    this.#socket.on("connect_error", (error) => this.#move({ isConnected: false, error }));
    this.#socket.on("job:progress", (event) => this.#hear(event));
    this.#socket.on("job:completed", ({ jobId }) => this.#hear({ jobId, stage: "completed" }));
    this.#socket.on("job:failed", ({ jobId }) => this.#hear({ jobId, stage: "failed" }));
  }

  #hear(event) {
    this.#heard?.push(event);
    this.#apply(event);
    this.#show();
  }

  #apply({ jobId, timestamp, ...said }) {
    const known = this.#jobs.get(jobId);
    if (said.stage === "completed" || said.stage === "failed") this.#jobs.delete(jobId);
    else if (!known) {
      const job = { id: jobId, videoTitle: null, status: "processing", updatedAt: timestamp, ...said };
      this.#jobs = new Map([[jobId, job], ...this.#jobs]);
      this.#soon(GATHER_MS); // for its title, and what else the event does not say
    } else if (timestamp >= known.updatedAt) {
      this.#jobs.set(jobId, { ...known, ...said, status: "processing", updatedAt: timestamp });
    }
  }

  #soon(ms) {
    if (!this.#closing.signal.aborted) this.#timer ??= setTimeout(() => this.#load(), ms);
  }

  async #load() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#heard) {
      this.#stale = true;
      return;
    }
    this.#heard = [];
    this.#stale = false;
    try {
      const jobs = await this.#ask();
      this.#jobs = new Map(jobs.map((job) => [job.id, job]));
      this.#failures = 0;
      const heard = this.#heard;
      this.#heard = null;
      for (const event of heard) this.#apply(event);
      this.#show();
      if (this.#stale) this.#soon(GATHER_MS);
    } catch (error) {
      this.#heard = null;
      if (this.#closing.signal.aborted) return;
      this.#move({ error });
      this.#soon(backoff(this.#failures++));
    }
  }

  async #ask() {
    const { token } = this.#options;
    const { signal } = this.#closing;
    const shown = await present(token, signal);
    const headers = shown == null ? {} : { Authorization: `Bearer ${shown}` };
    const credentials = shown == null ? "include" : "omit";
    const answer = await fetch(this.#url, { headers, credentials, signal, cache: "no-store" });
    if (!answer.ok) throw new Error(`the site answered ${answer.status} to the question for active jobs`);
    return (await answer.json()).jobs;
  }

  #show() {
    this.#move({ activeJobs: Object.freeze([...this.#jobs.values()]) });
  }

  #move(changes) {
    if (this.#closing.signal.aborted) return;
    this.state = Object.freeze({ ...this.state, ...changes });
    this.#options.onChange?.(this.state);
  }
}
