export type JobStatus = "queued" | "processing" | "completed" | "failed";

/** What a stream says of a job. What a job does not have is left out. */
export interface Update {
  readonly queue_id: number;
  readonly status: JobStatus;
  readonly current_step?: string;
  /** 0 to 100. */
  readonly progress: number;
  readonly message?: string;
}

/** The store is away since then; streams stay open and go on where they stopped. */
export interface Outage {
  readonly reason: string;
  /** RFC 3339, in UTC. */
  readonly since: string;
}

/** What came between two positions is no longer kept; the present states follow. */
export interface Gap {
  readonly from: string;
  readonly to: string;
}

export interface MonitorState {
  readonly updates: readonly Update[];
  readonly isConnected: boolean;
  readonly degraded: Outage | null;
  /** Why it is not connected, until it is again. */
  readonly error: Error | null;
}

/** A value, or what gives it anew for every connection. */
export type Given<T> = T | ((options: { signal?: AbortSignal }) => T | Promise<T>);

export interface StreamOptions {
  /** Sent as `Authorization: Bearer`. */
  token?: Given<string | null | undefined>;
  /** Gives a new ticket for every connection, for pages of another origin. A ticket works once. */
  ticket?: (options: { signal?: AbortSignal }) => string | Promise<string>;
  signal?: AbortSignal;
  fetch?: typeof fetch;
}

export interface WatchOptions extends StreamOptions {
  onConnection?(isConnected: boolean): void;
  onDegraded?(outage: Outage): void;
  onRecovered?(outage: Outage): void;
  /** The stream was lost, or did not open. Only after a `final` error nobody tries again. */
  onError?(error: Error): void;
}

export interface MonitorOptions extends WatchOptions {
  /** How many updates are kept, 50 unless said. */
  limit?: number;
  /** Whose jobs, where not everybody's; whose job, where it is named by its `id` and not by its number. */
  agent?: string;
  onUpdate?(update: Update): void;
  /** What was kept is dropped. */
  onGap?(gap: Gap): void;
  /** Any of it, once for all that came at once. */
  onChange?(state: MonitorState): void;
}

export interface Monitor {
  readonly state: MonitorState;
  readonly updates: readonly Update[];
  readonly isConnected: boolean;
  /** Settles when it is closed, by whomever. */
  readonly closed: Promise<void>;
  close(): void;
}

/** All jobs, or those of an `agent`: `updates` holds the present state of each that moved, the last one first. */
export function progressMonitor(url?: string, options?: MonitorOptions): Monitor;

/** One job, by its number or by its `id` (with `agent`): `updates` holds its last ones, newest first. */
export function queueItemMonitor(url: string, id: number | string, options?: MonitorOptions): Monitor;

/** What `/sse/stats` says every five seconds: each tile's value at the path that its id spells, and always these. */
export interface Stats {
  readonly notifications: { readonly sent: number; readonly pending: number };
  /** RFC 3339, in UTC. */
  readonly timestamp: string;
  /** A value, null where there is none; or values by the next part of their ids. */
  readonly [tile: string]: unknown;
}

export interface SiteNotification {
  readonly id: string;
  readonly title: string;
  readonly body: string;
  readonly level: "info" | "success" | "warning" | "error";
  readonly channel: string | null;
  readonly state: "pending" | "sent" | "failed";
  readonly created_at: string;
}

export interface LogLine {
  readonly id: string;
  readonly timestamp: string;
  readonly level: "debug" | "info" | "warning" | "error" | "critical";
  readonly source: string;
  readonly message: string;
  /** The job that it is about, as the line named it. */
  readonly job: number | string | null;
}

export interface StatsState<T = Stats> {
  /** Null until the first came. */
  readonly stats: T | null;
  /** What came since it was opened, newest first. */
  readonly notifications: readonly SiteNotification[];
  readonly logs: readonly LogLine[];
  readonly isConnected: boolean;
  readonly degraded: Outage | null;
  readonly error: Error | null;
}

export interface StatsOptions<T = Stats> extends WatchOptions {
  /** How many notifications and how many lines of logs are kept, 50 unless said. */
  limit?: number;
  onStats?(stats: T): void;
  onNotification?(notification: SiteNotification): void;
  onLog?(line: LogLine): void;
  /** So many lines were left out: those of `GET /api/v1/logs?after=…&cursor=…`. */
  onSkipped?(skipped: { lines: number; after: string | null; cursor: string }): void;
  /** Notifications or lines in between are no longer kept. */
  onGap?(gap: Gap): void;
  /** Any of it, once for all that came at once. */
  onChange?(state: StatsState<T>): void;
}

export interface StatsMonitor<T = Stats> {
  readonly state: StatsState<T>;
  readonly stats: T | null;
  readonly notifications: readonly SiteNotification[];
  readonly logs: readonly LogLine[];
  readonly isConnected: boolean;
  /** Settles when it is closed, by whomever. */
  readonly closed: Promise<void>;
  close(): void;
}

/** The figures of all tiles every five seconds, and what is notified and logged as it comes. `T` is what they look like. */
export function statsMonitor<T = Stats>(url?: string, options?: StatsOptions<T>): StatsMonitor<T>;

/** A ticket with which a page of another origin may open one stream, once. Ask for it where the token is at home. */
export function newTicket(url: string, token: string): Promise<string>;

export class StreamError extends Error {
  constructor(message: string, options?: { status?: number; final?: boolean; cause?: unknown });
  readonly status: number | undefined;
  /** Nobody tries again. */
  readonly final: boolean;
}

export interface AgentEvents {
  "job:progress": {
    jobId: string;
    videoId: string | null;
    stage: string | null;
    progress: number;
    message: string | null;
    timestamp: string;
  };
  "job:completed": { jobId: string; episodeId: string | null; published: boolean };
  "job:failed": { jobId: string; error: string | null; stage: string | null };
  "video:discovered": { videoId: string; title: string; publishedAt: string | null };
  "backfill:started": { totalVideos: number; since: string | null };
  "backfill:completed": { totalFound: number; totalEnqueued: number };
}

/** What is used of a socket of socket.io-client 4. */
export interface SocketLike {
  readonly connected: boolean;
  readonly active: boolean;
  on(name: any, listener: (...values: any[]) => void): unknown;
  off(name: any, listener?: (...values: any[]) => void): unknown;
  emit(name: any, ...values: any[]): unknown;
  connect(): unknown;
  disconnect(): unknown;
}

/** `io` of socket.io-client 4. */
export type Io<S extends SocketLike = SocketLike> = (origin: string, options: any) => S;

export interface AgentOptions<S extends SocketLike = SocketLike> {
  agentId: string;
  io: Io<S>;
  token?: Given<string | null | undefined>;
  /** Whatever else socket.io-client takes. */
  [option: string]: unknown;
}

export interface AgentSocket<S extends SocketLike = SocketLike> {
  readonly socket: S;
  readonly isConnected: boolean;
  /** Answers what takes the listener away again. */
  on<Name extends keyof AgentEvents>(name: Name, listener: (event: AgentEvents[Name]) => void): () => void;
  on(name: "connect", listener: () => void): () => void;
  on(name: "disconnect", listener: (reason: string) => void): () => void;
  on(name: "connect_error", listener: (error: Error) => void): () => void;
  close(): void;
}

/** What an agent does, over Socket.IO. It joins the agent's room at every connection, and comes back by itself. */
export function agentSocket<S extends SocketLike>(url: string | undefined, options: AgentOptions<S>): AgentSocket<S>;

export interface AgentJob {
  readonly id: string;
  readonly videoId: string | null;
  /** Null for a job that just began, until the site was asked. */
  readonly videoTitle: string | null;
  readonly status: "pending" | "processing";
  readonly stage: string | null;
  readonly progress: number;
  readonly message?: string | null;
  readonly createdAt?: string;
  readonly updatedAt: string;
  readonly startedAt?: string | null;
  readonly queue?: string;
  readonly function?: string;
  readonly worker?: string;
  readonly tags?: readonly string[];
}

export interface RealtimeJobsState {
  readonly activeJobs: readonly AgentJob[];
  readonly isConnected: boolean;
  readonly error: Error | null;
}

export interface RealtimeJobsOptions<S extends SocketLike = SocketLike> extends AgentOptions<S> {
  signal?: AbortSignal;
  onChange?(state: RealtimeJobsState): void;
}

export interface RealtimeJobs {
  readonly state: RealtimeJobsState;
  readonly activeJobs: readonly AgentJob[];
  readonly isConnected: boolean;
  close(): void;
}

/** The jobs of an agent that are pending or processing, as they go. They are asked for anew at every connection. */
export function realtimeJobs<S extends SocketLike>(
  url: string | undefined,
  options: RealtimeJobsOptions<S>,
): RealtimeJobs;
