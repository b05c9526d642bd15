// Renders the hooks where there is no page, as Next.js does before a browser sees them.
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { useProgressMonitor, useQueueItemMonitor, useRealtimeJobs, useStats } from "headway-client/react";
import { say } from "./lines.mjs";

function Shown() {
  const { updates, isConnected } = useProgressMonitor();
  const { currentProgress } = useQueueItemMonitor(7);
  const { activeJobs } = useRealtimeJobs("studio", { io: () => say("connected") });
  const { stats, logs } = useStats();
  return createElement("p", null, JSON.stringify([updates, isConnected, currentProgress, activeJobs, stats, logs]));
}

say(renderToString(createElement(Shown)).replaceAll("&quot;", '"'));
