// Listens to an agent and says what it hears: node agents.mjs URL '{"agentId": "studio", "tokens": ["…"]}'
// With "list" it says the agent's active jobs at each change instead.
import { agentSocket, realtimeJobs } from "headway-client";
import { io } from "socket.io-client";
import { heard, say } from "./lines.mjs";

const [url, told] = process.argv.slice(2);
const { tokens, list, ...options } = JSON.parse(told);
// Each connection takes the next token; the last one stays.
const token = () => (tokens.length > 1 ? tokens.shift() : tokens[0]);
const names = ["job:progress", "job:completed", "job:failed", "video:discovered", "backfill:started", "backfill:completed"];

function listen() {
  const agent = agentSocket(url, { ...options, io, token });
  for (const name of names) agent.on(name, (event) => say([name, event]));
  agent.on("connect", () => say(["connect", null]));
  agent.on("disconnect", (reason) => say(["disconnect", reason]));
  agent.on("connect_error", (error) => say(["connect_error", error.message]));
  return agent;
}

function show() {
  const onChange = ({ activeJobs, isConnected, error }) => say({ activeJobs, isConnected, error: error?.message ?? null });
  return realtimeJobs(url, { ...options, io, token, onChange });
}

const open = list ? show() : listen();
for await (const _ of heard());
open.close();
