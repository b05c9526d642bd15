// A published EventSource on a stream: node eventsource.mjs URL [TOKEN]. It says a line of JSON for each thing it hears.
import { EventSource } from "eventsource";

const [url, token] = process.argv.slice(2);
const say = (...what) => console.log(JSON.stringify(what));

const withToken = (input, init) => fetch(input, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } });
const source = new EventSource(url, token ? { fetch: withToken } : {});
source.onopen = () => say("open");
source.onmessage = ({ data, lastEventId }) => say("message", JSON.parse(data), lastEventId);
source.onerror = () => say("error", source.readyState === EventSource.CLOSED);
for (const name of ["connected", "gap", "reconnect", "notification", "log"]) source.addEventListener(name, ({ data }) => say(name, JSON.parse(data)));

for await (const _ of process.stdin);
source.close();
