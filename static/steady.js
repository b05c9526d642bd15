// What grows and shrinks within seconds, as a list of short jobs does, keeps the room that it took lately, so that
// nothing below it jumps.
const KEPT_MS = 10_000;
const lately = new WeakMap();
const waiting = new WeakMap();

function settle(part) {
  const now = performance.now();
  part.style.minHeight = "";
  const height = part.getBoundingClientRect().height;
  const heights = [...(lately.get(part) ?? []).filter((one) => one.until > now), { height, until: now + KEPT_MS }];
  lately.set(part, heights);
  const tallest = Math.max(...heights.map((one) => one.height));
  if (tallest <= height) return;
  part.style.minHeight = `${tallest}px`;
  clearTimeout(waiting.get(part));
  waiting.set(part, setTimeout(settle, KEPT_MS, part));
}

export function keepSteady() {
  const parts = [...document.querySelectorAll("[data-steady]")];
  // Its callback comes after a change and before that is painted.
  const changes = new MutationObserver((found) => {
    for (const part of new Set(found.map((one) => one.target.closest("[data-steady]")))) if (part) settle(part);
  });
  for (const part of parts) {
    settle(part);
    changes.observe(part, { childList: true, subtree: true });
  }
  // At another width the heights of before mean nothing.
  addEventListener("resize", () => {
    for (const part of parts) {
      lately.delete(part);
      settle(part);
    }
  });
}
