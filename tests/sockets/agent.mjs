// The first dashboard's client, as it is documented, and what it hears: node agent.mjs URL '{"agentId": "studio", …}'
// It says a line for each thing; what it hears from its test is emitted, and the answer said as ["ack", …].
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const [url, told = "{}"] = process.argv.slice(2);
const { agentId, token, options = {}, subscribe = true } = JSON.parse(told);
const say = (...what) => console.log(JSON.stringify(what));

const socket = io(url, { transports: ["websocket"], auth: { agentId, token }, ...options });
socket.on("connect", () => {
  say("connect", socket.io.engine.transport.name);
  if (subscribe) socket.emit("subscribe:agent", agentId);
});
socket.on("connect_error", (error) => say("connect_error", error.message, error.data ?? null));
socket.on("disconnect", (reason) => say("disconnect", reason));
socket.onAny((name, data) => say(name, data));
socket.io.engine.on("upgrade", (transport) => say("upgrade", transport.name));

for await (const line of createInterface({ input: process.stdin })) {
  socket.emit(...JSON.parse(line), (answer) => say("ack", answer));
}
socket.off("disconnect");
socket.close();
