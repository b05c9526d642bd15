// A SharedWorker: the one stream of all tabs of this browser, however few connections to a host it opens.
import { Share } from "./stream-share.js";

const share = new Share(new URL("../dashboard/stream", location.href));

addEventListener("connect", ({ ports: [port] }) => {
  const tab = { tell: (message) => port.postMessage(message) };
  port.onmessage = ({ data }) => {
    if (data.kind === "want") share.want(tab, data.parts, data.notes);
    else if (data.kind === "here") share.here(tab);
    else share.leave(tab);
  };
  tab.tell({ kind: typeof EventSource === "function" ? "ready" : "unfit" });
});
