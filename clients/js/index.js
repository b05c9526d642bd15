export { agentSocket } from "./agents.js";
export { realtimeJobs } from "./jobs.js";
export { newTicket, progressMonitor, queueItemMonitor } from "./progress.js";
export { StreamError } from "./stream.js";
