export { agentSocket } from "./agents.js";
export { realtimeJobs } from "./jobs.js";
export { progressMonitor, queueItemMonitor } from "./progress.js";
export { statsMonitor } from "./stats.js";
export { StreamError } from "./stream.js";
export { newTicket } from "./tickets.js";
