// `make dev`: reload the open page when a template, an asset or the program changed.
const source = document.querySelector("script[data-version]").dataset.version;
let known = null;

async function look() {
  try {
    const version = await (await fetch(source, { cache: "no-store" })).text();
    if (known && version !== known) location.reload();
    known = version;
  } catch {
    // The server is restarting.
  }
  setTimeout(look, 700);
}

look();
