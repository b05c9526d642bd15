// A program in strict TypeScript that uses everything the package offers; it is checked, never run.
import {
  StreamError,
  agentSocket,
  newTicket,
  progressMonitor,
  queueItemMonitor,
  realtimeJobs,
  statsMonitor,
  type LogLine,
  type Monitor,
  type Update,
} from "headway-client";
import { useProgressMonitor, useQueueItemMonitor, useRealtimeJobs, useStats } from "headway-client/react";
import { io, type Socket } from "socket.io-client";

const site = "https://headway.example.com";

export const monitor: Monitor = progressMonitor(site, {
  token: async () => "token",
  ticket: ({ signal }) => fetch("/api/headway-ticket", { method: "POST", signal: signal ?? null }).then((answer) => answer.text()),
  limit: 10,
  agent: "studio",
  signal: AbortSignal.timeout(1000),
  onUpdate(update) {
    const number: number = update.queue_id;
    const stage: string | undefined = update.current_step;
    if (update.status === "failed") console.log(number, stage, update.message);
    // @ts-expect-error  there is no such status
    if (update.status === "pending") return;
  },
  onConnection: (isConnected: boolean) => console.log(isConnected),
  onGap: ({ from, to }) => console.log(from, to),
  onDegraded: ({ reason, since }) => console.log(reason, since),
  onError: (error) => error instanceof StreamError && error.final && console.log(error.status),
  onChange: ({ updates }) => console.log(updates.length),
});
monitor.closed.then(() => monitor.close());

progressMonitor();
queueItemMonitor("", 7);
queueItemMonitor(site, "episode-12", { agent: "studio", token: "token" });
// @ts-expect-error  a limit is a number
progressMonitor(site, { limit: "10" });
// @ts-expect-error  a ticket works once, so it is no value
progressMonitor(site, { ticket: "abc" });
interface Figures {
  users: number | null;
  requests: { total: number | null };
}

const stats = statsMonitor<Figures>(site, {
  token: "token",
  limit: 20,
  onStats: ({ users, requests }) => console.log(users?.toFixed(), requests.total),
  onNotification: ({ title, level }) => level === "error" && console.log(title),
  onLog: (line: LogLine) => console.log(line.source, line.level, line.message),
  onGap: ({ from, to }) => console.log(from, to),
  onChange: ({ stats, isConnected }) => console.log(stats?.users, isConnected),
});
// @ts-expect-error  there is no such tile among those that it was told of
console.log(stats.stats?.sales);
statsMonitor(site, { onStats: ({ timestamp, notifications, anything }) => console.log(timestamp, notifications.sent, anything) });

newTicket(site, "token").then((ticket: string) => console.log(ticket));

const agent = agentSocket(site, { agentId: "studio", io, token: "token", reconnectionDelay: 500 });
const socket: Socket = agent.socket;
const off = agent.on("job:progress", ({ jobId, stage, progress }) => console.log(jobId.length, stage, progress.toFixed()));
agent.on("job:failed", ({ jobId, error, stage }) => console.log(jobId, error, stage));
agent.on("backfill:completed", ({ totalFound, totalEnqueued }) => console.log(totalFound + totalEnqueued));
// @ts-expect-error  there is no such event
agent.on("job:done", () => off());
// @ts-expect-error  io is missing
agentSocket(site, { agentId: "studio" });
realtimeJobs(site, { agentId: "studio", io, onChange: ({ activeJobs }) => console.log(activeJobs[0]?.videoTitle, socket.id) }).close();

function Bar({ of }: { of: Update }) {
  return <progress max={100} value={of.progress} title={of.message} />;
}

export function Jobs({ id }: { id?: number }) {
  const { updates, isConnected, degraded, error } = useProgressMonitor(site);
  const { currentProgress } = useQueueItemMonitor(id, { url: site, ticket: () => newTicket(site, "token") });
  const { activeJobs } = useRealtimeJobs("studio", { url: site, io });
  const { stats, notifications, logs } = useStats<Figures>({ url: site });
  return (
    <>
      {stats?.users} {notifications[0]?.title} {logs[0]?.message}
      {error ?? degraded?.reason ?? String(isConnected)}
      {updates.map((update) => <Bar key={update.queue_id} of={update} />)}
      {currentProgress && <Bar of={currentProgress} />}
      {activeJobs.map(({ id, videoTitle }) => <b key={id}>{videoTitle}</b>)}
    </>
  );
}
