import { Monitor } from "./monitor.js";

/** Before anything came. */
export const NOTHING = Object.freeze({ stats: null, notifications: Object.freeze([]), logs: Object.freeze([]) });

/** The figures of all tiles, every five seconds, and with them what is notified and logged, as it comes. */
class StatsMonitor extends Monitor {
  constructor(url, options) {
    const { limit = 50 } = options;
    const newest = (list, one) => Object.freeze([one, ...list.slice(0, limit - 1)]);
    super(url, "/sse/stats", options, NOTHING, {
      message: ["onStats", (_, stats) => ({ stats })],
      notification: ["onNotification", ({ notifications }, one) => ({ notifications: newest(notifications, one) })],
      log: ["onLog", ({ logs }, line) => ({ logs: newest(logs, line) })],
      skipped: ["onSkipped", () => ({})],
    });
  }

  get stats() {
    return this.state.stats;
  }

  get notifications() {
    return this.state.notifications;
  }

  get logs() {
    return this.state.logs;
  }
}

/** `stats` holds the present figures, `notifications` and `logs` what came since it was opened, newest first. */
export function statsMonitor(url = "", options = {}) {
  return new StatsMonitor(url, options);
}
