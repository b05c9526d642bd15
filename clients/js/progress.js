import { Monitor } from "./monitor.js";

const NOTHING = Object.freeze({ updates: Object.freeze([]) });

/** Follows a stream of updates and keeps those that `keep(updates, update)` answers. */
class ProgressMonitor extends Monitor {
  constructor(base, path, options, keep) {
    super(base, path, options, NOTHING, {
      message: ["onUpdate", ({ updates }, update) => ({ updates: Object.freeze(keep(updates, update)) })],
      gap: ["onGap", () => NOTHING], // the present states follow
    });
  }

  get updates() {
    return this.state.updates;
  }
}

/** All jobs, or those of an `agent`: `updates` holds the present state of each that moved, the last one first. */
export function progressMonitor(url = "", options = {}) {
  const { limit = 50, agent } = options;
  return new ProgressMonitor(url, `/api/v1/progress/stream${of(agent)}`, options, (updates, update) => {
    const others = updates.filter(({ queue_id }) => queue_id !== update.queue_id);
    return [update, ...others.slice(0, limit - 1)];
  });
}

/** One job, by its number or by its `id` (with `agent`): `updates` holds its last ones, newest first. */
export function queueItemMonitor(url, id, options = {}) {
  const { limit = 50, agent } = options;
  const path = `/api/v1/progress/stream/${encodeURIComponent(id)}${of(agent)}`;
  return new ProgressMonitor(url, path, options, (updates, update) => [update, ...updates.slice(0, limit - 1)]);
}

function of(agent) {
  return agent == null ? "" : `?agent=${encodeURIComponent(agent)}`;
}
