"use client";

import { useEffect, useRef, useState } from "react";
import { realtimeJobs } from "./jobs.js";
import { progressMonitor, queueItemMonitor } from "./progress.js";
import { NOTHING, statsMonitor } from "./stats.js";

/** What is called later on: the newest that was given then. */
const CALLED = ["token", "ticket", "onUpdate", "onStats", "onNotification", "onLog", "onSkipped", "onConnection", "onGap",
  "onDegraded", "onRecovered", "onError"];
const LOST = { isConnected: false, error: null };
const NO_UPDATES = Object.freeze({ ...LOST, updates: Object.freeze([]), degraded: null });
const NO_STATS = Object.freeze({ ...LOST, ...NOTHING, degraded: null });
const NO_JOBS = Object.freeze({ ...LOST, activeJobs: Object.freeze([]) });

/** All jobs, or those of an `agent`: `{updates, isConnected, degraded, error}`. It takes a `url`, or options with one. */
export function useProgressMonitor(options = "") {
  const { url, ...others } = withUrl(options);
  return shown(useOpen(others, [url, others.agent, others.limit], NO_UPDATES, (live) => progressMonitor(url, live)));
}

/** One job, none while `queueId` is null or undefined: what `useProgressMonitor` says, and `currentProgress`. */
export function useQueueItemMonitor(queueId, options = "") {
  const { url, ...others } = withUrl(options);
  const open = queueId == null ? null : (live) => queueItemMonitor(url, queueId, live);
  const state = useOpen(others, [url, queueId, others.agent, others.limit], NO_UPDATES, open);
  return { ...shown(state), currentProgress: state.updates[0] ?? null };
}

/** An agent's jobs that are pending or processing: `{activeJobs, isConnected, error}`. `io` is socket.io-client's. */
export function useRealtimeJobs(agentId, options) {
  const { url, ...others } = withUrl(options);
  const open = agentId == null ? null : (live) => realtimeJobs(url, { ...live, agentId });
  return shown(useOpen(others, [url, agentId, others.io], NO_JOBS, open));
}

/** The figures of all tiles, and what is notified and logged: `{stats, notifications, logs, isConnected, degraded, error}`. */
export function useStats(options = "") {
  const { url, ...others } = withUrl(options);
  return shown(useOpen(others, [url, others.limit], NO_STATS, (live) => statsMonitor(url, live)));
}

function withUrl(options) {
  return typeof options === "string" ? { url: options } : { url: "", ...options };
}

function shown(state) {
  return { ...state, error: state.error?.message ?? null };
}

/**
 * Keeps open what `open(options)` answers, from the first paint to the last, and anew when one of `keys` changes.
 * Tokens, tickets and callbacks may be others with every rendering: the ones of the last are called.
 */
function useOpen(options, keys, empty, open) {
  const [state, setState] = useState(empty);
  const latest = useRef(options);
  useEffect(() => {
    latest.current = options;
  });
  useEffect(() => {
    setState(empty);
    if (!open) return undefined;
    let mounted = true;
    const live = CALLED.map((name) => [name, (said) => call(latest.current[name], said)]);
    const opened = open({
      ...options,
      ...Object.fromEntries(live),
      onChange(state) {
        if (!mounted) return;
        setState(state);
        latest.current.onChange?.(state);
      },
    });
    return () => {
      mounted = false;
      opened.close();
    };
  }, keys);
  return state;
}

function call(given, said) {
  return typeof given === "function" ? given(said) : given;
}
