// `make dev`: reload the open page when a template, an asset or the program changed.
const source = document.querySelector("script[data-version]").dataset.version;
let known = null;

async function look() {
  try {
    const answer = await fetch(source, { cache: "no-store" });
    // One not signed in is told no version, in words that differ each time: the form stays, with what is typed.
    if (answer.ok) {
      const version = await answer.text();
      if (known && version !== known) location.reload();
      known = version;
    }
  } catch {
    // The server is restarting.
  }
  setTimeout(look, 700);
}

look();
