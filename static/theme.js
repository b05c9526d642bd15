// Light or dark: the system's preference until the switch is used; choosing what the system prefers follows it again.
const dark = matchMedia("(prefers-color-scheme: dark)");

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-action=theme]")) return;
  const root = document.documentElement;
  const preferred = dark.matches ? "dark" : "light";
  const chosen = (root.dataset.theme ?? preferred) === "dark" ? "light" : "dark";
  if (chosen === preferred) delete root.dataset.theme;
  else root.dataset.theme = chosen;
  try {
    if (chosen === preferred) localStorage.removeItem("headway-theme");
    else localStorage.setItem("headway-theme", chosen);
  } catch {
    // Without storage the choice holds for this page.
  }
  document.dispatchEvent(new Event("headway:theme"));
});

dark.addEventListener("change", () => document.dispatchEvent(new Event("headway:theme")));
