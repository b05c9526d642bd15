// Renders the hooks in a page with React's strict mode, and says what each painting shows.
//   node hooks.mjs URL '{"hook": "progress" | "item" | "jobs" | "stats", "options": {…}}'
// It hears ["show", id | null] to render (again) with a job's or agent's id, and "unmount".
import { Window } from "happy-dom";
import { io } from "socket.io-client";
import { heard, say } from "./lines.mjs";

const [url, told] = process.argv.slice(2);
const { hook, options } = JSON.parse(told);
const window = new Window({ url });
Object.assign(globalThis, { window, document: window.document });
globalThis.navigator ??= window.navigator;

const { StrictMode, act, createElement } = await import("react");
const { createRoot } = await import("react-dom/client");
const { useProgressMonitor, useQueueItemMonitor, useRealtimeJobs, useStats } = await import("headway-client/react");

const HOOKS = {
  progress: () => useProgressMonitor(options),
  item: (id) => useQueueItemMonitor(id, options),
  stats: () => useStats(options),
  jobs: (id) => useRealtimeJobs(id, { ...options, io }),
};

function Shown({ id }) {
  const state = HOOKS[hook](id);
  return createElement("pre", null, JSON.stringify(state));
}

const root = createRoot(document.body);

async function render(id) {
  globalThis.IS_REACT_ACT_ENVIRONMENT = true;
  await act(() => root.render(createElement(StrictMode, null, createElement(Shown, { id }))));
  globalThis.IS_REACT_ACT_ENVIRONMENT = false;
  tell();
}

let last = "";
function tell() {
  const text = document.querySelector("pre")?.textContent ?? "";
  if (text !== last) say(JSON.parse((last = text) || "null"));
}
new window.MutationObserver(tell).observe(document.body, { childList: true, characterData: true, subtree: true });

for await (const command of heard()) {
  if (command === "unmount") {
    globalThis.IS_REACT_ACT_ENVIRONMENT = true;
    await act(() => root.unmount());
    globalThis.IS_REACT_ACT_ENVIRONMENT = false;
    tell();
  } else await render(command[1]);
}
await window.happyDOM.close();
