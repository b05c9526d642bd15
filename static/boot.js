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

  // A library comes from the CDN. Where that fails, or its bytes are not the expected ones, or it is silent for so long,
  // our own copy is run. A script that was given up moves into a document that nobody sees: there it is never run, should
  // it arrive after all.
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

  function giveUp(script) {
    const { library: name, local } = script.dataset;
    const { resolve, reject } = library(name);
    document.implementation.createHTMLDocument("").adoptNode(script);
    const copy = document.createElement("script");
    copy.onload = resolve;
    copy.onerror = () => reject(new Error(`${name} did not load`));
    copy.src = local;
    document.head.append(copy);
  }

  function hear(event) {
    const script = event.target;
    if (!script.dataset?.library) return;
    script.dataset.settled = "";
    if (event.type === "load") library(script.dataset.library).resolve();
    else giveUp(script);
  }

  // On the document: a load is not told to the window.
  document.addEventListener("load", hear, true);
  document.addEventListener("error", hear, true);
  setTimeout(() => document.querySelectorAll("script[data-library]:not([data-settled])").forEach(giveUp), PATIENCE_MS);

  window.headway = { library: (name) => library(name).promise };
})();
