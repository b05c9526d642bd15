import type {
  AgentJob,
  AgentOptions,
  LogLine,
  MonitorOptions,
  Outage,
  RealtimeJobsState,
  SiteNotification,
  SocketLike,
  Stats,
  StatsOptions,
  Update,
} from "./index.js";

export interface Progress {
  readonly updates: readonly Update[];
  readonly isConnected: boolean;
  readonly degraded: Outage | null;
  /** Why it is not connected, in words, until it is again. */
  readonly error: string | null;
}

export interface ItemProgress extends Progress {
  /** The newest of `updates`. */
  readonly currentProgress: Update | null;
}

export interface ActiveJobs {
  readonly activeJobs: readonly AgentJob[];
  readonly isConnected: boolean;
  readonly error: string | null;
}

export interface JobsOptions<S extends SocketLike = SocketLike> {
  /** The site's address; the page's own origin where missing. */
  url?: string;
  /** Of socket.io-client. */
  io: AgentOptions<S>["io"];
  token?: AgentOptions<S>["token"];
  onChange?(state: RealtimeJobsState): void;
  /** Whatever else socket.io-client takes. */
  [option: string]: unknown;
}

/** All jobs, or those of an `agent`: the present state of each that moved, the last one first. */
export function useProgressMonitor(options?: string | (MonitorOptions & { url?: string })): Progress;

/** One job, none while `queueId` is null or undefined. */
export function useQueueItemMonitor(
  queueId: number | string | null | undefined,
  options?: string | (MonitorOptions & { url?: string }),
): ItemProgress;

export interface LiveStats<T = Stats> {
  /** Null until the first came. */
  readonly stats: T | null;
  /** Newest first, as many as `limit` says. */
  readonly notifications: readonly SiteNotification[];
  /** Newest first, as many as `limit` says. */
  readonly logs: readonly LogLine[];
  readonly isConnected: boolean;
  readonly degraded: Outage | null;
  /** Why it is not connected, in words, until it is again. */
  readonly error: string | null;
}

/** The figures of all tiles every five seconds, and what is notified and logged as it comes. `T` is what they look like. */
export function useStats<T = Stats>(options?: string | (StatsOptions<T> & { url?: string })): LiveStats<T>;

/** An agent's jobs that are pending or processing, none while `agentId` is null or undefined. */
export function useRealtimeJobs<S extends SocketLike>(
  agentId: string | null | undefined,
  options: JobsOptions<S>,
): ActiveJobs;
