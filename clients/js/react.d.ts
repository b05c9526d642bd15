import type {
  AgentJob,
  AgentOptions,
  MonitorOptions,
  Outage,
  RealtimeJobsState,
  SocketLike,
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

/** All jobs, or those of an `agent`: the present state of each that moved, the last one first. */
export function useProgressMonitor(options?: string | (MonitorOptions & { url?: string })): Progress;

/** One job, none while `queueId` is null or undefined. */
export function useQueueItemMonitor(
  queueId: number | string | null | undefined,
  options?: string | (MonitorOptions & { url?: string }),
): ItemProgress;

/** An agent's jobs that are pending or processing, none while `agentId` is null or undefined. */
export function useRealtimeJobs<S extends SocketLike>(
  agentId: string | null | undefined,
  options: Omit<AgentOptions<S>, "agentId"> & { io: AgentOptions<S>["io"]; url?: string; onChange?(state: RealtimeJobsState): void },
): ActiveJobs;
