import { backoff, locate, present } from "./stream.js";

/**
 * What an agent does, over Socket.IO. `io` is socket.io-client's. It joins the agent's room at every connection, and
 * comes back also when the site turned it away, which socket.io-client by itself does not.
 */
export function agentSocket(url = "", { agentId, io, token, ...options }) {
  if (typeof io !== "function") throw new TypeError('io is missing: import { io } from "socket.io-client", and pass it');
  const { origin, pathname } = locate(url, "/socket.io");
  const socket = io(origin, {
    path: pathname,
    transports: ["websocket"],
    auth: (show) =>
      present(token).then(
        (shown) => show(shown == null ? { agentId } : { agentId, token: shown }),
        () => show({ agentId }),
      ),
    ...options,
  });
  let failures = 0;
  let timer;
  const again = () => {
    if (socket.active) return; // it tries by itself
    clearTimeout(timer);
    timer = setTimeout(() => socket.connect(), backoff(failures));
    failures += 1;
  };
  socket.on("connect", () => {
    failures = 0;
    socket.emit("subscribe:agent", agentId);
  });
  socket.on("connect_error", again);
  socket.on("disconnect", (reason) => reason === "io server disconnect" && again());
  return {
    socket,
    get isConnected() {
      return socket.connected;
    },
    on(name, listener) {
      socket.on(name, listener);
      return () => socket.off(name, listener);
    },
    close() {
      clearTimeout(timer);
      socket.off("connect_error", again);
      socket.disconnect();
    },
  };
}
