// Desktop notifications of jobs that failed: off until somebody turns them on, remembered in this browser.
import { words } from "./toasts.js";

const KEY = "headway-notes";
const possible = "Notification" in globalThis && isSecureContext;

function remembered() {
  try {
    return localStorage.getItem(KEY) === "on";
  } catch {
    return false;
  }
}

function remember(on) {
  try {
    if (on) localStorage.setItem(KEY, "on");
    else localStorage.removeItem(KEY);
  } catch {
    // Storage may be forbidden; then they last as long as the page.
  }
}

export const notes = {
  on: possible && Notification.permission === "granted" && remembered(),

  show(failed) {
    const { head, body, href } = words(failed);
    try {
      // The tag sees to it that what several tabs tell is shown once.
      const note = new Notification(head, { body, tag: `headway-failed-${failed.agent}` });
      note.onclick = () => {
        focus();
        location.assign(href);
        note.close();
      };
    } catch {
      // Some browsers have them for service workers alone.
    }
  },
};

function paint() {
  const button = document.querySelector("[data-action=notes]");
  if (!button) return;
  button.hidden = !possible;
  button.setAttribute("aria-pressed", String(notes.on));
  const denied = possible && Notification.permission === "denied";
  button.disabled = denied;
  button.title = denied
    ? "This browser does not let Headway show notifications"
    : `Desktop notifications of failed jobs: ${notes.on ? "on" : "off"}`;
}

async function turn() {
  notes.on = !notes.on && (await Notification.requestPermission()) === "granted";
  remember(notes.on);
  paint();
  document.dispatchEvent(new Event("headway:notes"));
}

paint();
document.addEventListener("click", (event) => event.target.closest("[data-action=notes]") && turn());
addEventListener("storage", (event) => {
  if (event.key !== KEY) return;
  notes.on = possible && Notification.permission === "granted" && remembered();
  paint();
  document.dispatchEvent(new Event("headway:notes"));
});
