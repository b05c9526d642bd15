// Follows a stream as told and says what its callbacks hear: node watch.mjs URL '{"item": 1, "token": "…"}'
import { newTicket, progressMonitor, queueItemMonitor } from "headway-client";
import { heard, say } from "./lines.mjs";

const [url, told = "{}"] = process.argv.slice(2);
const { item, ticketOf, ...options } = JSON.parse(told);
const names = ["onUpdate", "onConnection", "onGap", "onDegraded", "onRecovered"];
for (const name of names) options[name] = (value) => say([name, value]);
options.onError = ({ message, status, final }) => say(["onError", { message, status, final }]);
if (ticketOf) {
  options.ticket = () => {
    say(["ticket", null]);
    return newTicket(url, ticketOf);
  };
}
const monitor = item === undefined ? progressMonitor(url, options) : queueItemMonitor(url, item, options);
monitor.closed.then(() => say(["closed", monitor.updates]));

for await (const command of heard()) {
  if (command === "updates") say(["updates", monitor.updates]);
}
monitor.close();
