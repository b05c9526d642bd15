// Follows a stream as told and says what its callbacks hear: node watch.mjs URL '{"item": 1, "token": "…"}'
// With "stats" it follows the tiles, notifications and logs.
import { newTicket, progressMonitor, queueItemMonitor, statsMonitor } from "headway-client";
import { heard, say } from "./lines.mjs";

const [url, told = "{}"] = process.argv.slice(2);
const { item, stats, ticketOf, ...options } = JSON.parse(told);
const names = ["onUpdate", "onStats", "onNotification", "onLog", "onSkipped", "onConnection", "onGap", "onDegraded", "onRecovered"];
for (const name of names) options[name] = (value) => say([name, value]);
options.onError = ({ message, status, final }) => say(["onError", { message, status, final }]);
if (ticketOf) {
  options.ticket = () => {
    say(["ticket", null]);
    return newTicket(url, ticketOf);
  };
}
function open() {
  if (stats) return statsMonitor(url, options);
  return item === undefined ? progressMonitor(url, options) : queueItemMonitor(url, item, options);
}

const monitor = open();
monitor.closed.then(() => say(["closed", monitor.updates ?? null]));

for await (const command of heard()) {
  if (command === "updates") say(["updates", monitor.updates]);
  if (command === "state") say(["state", monitor.state]);
}
monitor.close();
