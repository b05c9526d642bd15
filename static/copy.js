// A button with data-copy="SELECTOR" copies that element's text and says so for a moment.
const SAID_MS = 2000;

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Without TLS there is no clipboard API; the old command still works there.
  const field = document.createElement("textarea");
  field.className = "unseen";
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (!done) throw new Error("copying was refused");
}

// Copies a text and says on the button how that went.
export async function copyBy(button, text) {
  const said = await copy(text).then(
    () => "Copied",
    () => "Select and copy by hand",
  );
  button.dataset.said ??= button.textContent;
  button.textContent = said;
  setTimeout(() => {
    button.textContent = button.dataset.said;
  }, SAID_MS);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  const source = button && document.querySelector(button.dataset.copy);
  if (!source) return;
  event.preventDefault();
  copyBy(button, source.textContent);
});
