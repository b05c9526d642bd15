// Runs before the first paint, so it is small: the chosen theme, and the libraries, which nothing here waits for.
(() => {
  const root = document.documentElement;
  root.dataset.scripted = "";

  try {
    const theme = localStorage.getItem("headway-theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; then the system's preference decides.
  }

  // A library is preloaded from the CDN, which runs nothing yet. Once it is there in time and whole it is run from that
  // copy; where the CDN fails or is silent for so long, our own copy is run, and what comes later from the CDN is not.
  const PATIENCE_MS = 2000;
  const waiting = new Map();

  function library(name) {
    if (!waiting.has(name)) {
      const entry = {};
      entry.promise = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
      entry.promise.catch(() => {});
      waiting.set(name, entry);
    }
    return waiting.get(name);
  }

  function run(link, fromCdn) {
    const { resolve, reject } = library(link.dataset.library);
    const script = document.createElement("script");
    if (fromCdn) Object.assign(script, { integrity: link.integrity, crossOrigin: "anonymous" });
    script.onload = resolve;
    script.onerror = () => (fromCdn ? run(link, false) : reject(new Error(`${link.dataset.library} did not load`)));
    script.src = fromCdn ? link.href : link.dataset.local;
    document.head.append(script);
  }

  function settle(link, fromCdn) {
    if (link.dataset.settled) return;
    link.dataset.settled = fromCdn ? "cdn" : "local";
    run(link, fromCdn);
  }

  const arrived = (event) => event.target.dataset?.library && settle(event.target, event.type === "load");
  addEventListener("load", arrived, true);
  addEventListener("error", arrived, true);
  setTimeout(() => document.querySelectorAll("link[data-library]").forEach((link) => settle(link, false)), PATIENCE_MS);

  window.headway = { library: (name) => library(name).promise };
})();
