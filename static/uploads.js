// Sends a file as it is, so that the browser tells how far it is; without this script the form does the same in silence.
const form = document.querySelector("[data-upload]");

function size(bytes) {
  const [factor, unit] = [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]].find(([least]) => bytes >= least) ?? [1, "B"];
  return `${(bytes / factor).toFixed(factor === 1 ? 0 : 1)} ${unit}`;
}

function start(form) {
  const input = form.querySelector("input[type=file]");
  const sending = form.querySelector("[data-sending]");
  const bar = sending.querySelector("progress");
  const words = sending.querySelector("[data-sending-words]");
  const fault = form.querySelector("[data-upload-fault]");
  const button = form.querySelector("button.primary");
  let request = null;

  function rest() {
    request = null;
    sending.hidden = true;
    button.disabled = input.disabled = false;
  }

  function say(text) {
    rest();
    fault.textContent = text;
    fault.hidden = false;
  }

  function sent(event) {
    const share = event.total ? (100 * event.loaded) / event.total : 0;
    bar.value = share;
    words.textContent = event.loaded < event.total ? `${size(event.loaded)} of ${size(event.total)}` : "Storing the last rows";
  }

  function answered() {
    const { status, response } = request;
    const url = response?.url ?? response?.upload?.url;
    if (url) location.assign(url);
    else if (status === 401) location.assign(`${document.body.dataset.base}/login`);
    else say(response?.detail ?? `The file was not taken (${status}). Reload the page and try again.`);
  }

  function send(file) {
    if (request) return;
    fault.hidden = true;
    sending.hidden = false;
    button.disabled = input.disabled = true;
    bar.value = 0;
    words.textContent = `0 B of ${size(file.size)}`;
    request = new XMLHttpRequest();
    request.open("PUT", `${form.action}?name=${encodeURIComponent(file.name.toWellFormed?.() ?? file.name)}`);
    request.responseType = "json";
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-CSRF-Token", form.elements.csrf_token.value);
    request.upload.addEventListener("progress", sent);
    request.addEventListener("load", answered);
    request.addEventListener("error", () => say("The connection was lost. Send the file again: rows that are stored already do not change."));
    request.addEventListener("abort", () => say("Cancelled. Rows that came before are stored; sending the file again changes none of them."));
    request.send(file);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.files.length) send(input.files[0]);
  });
  sending.querySelector("[data-cancel]").addEventListener("click", () => request?.abort());

  // A drop anywhere on the page: beside the form it would make the browser leave for the file.
  let over = 0;
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  const mark = (by) => {
    over = Math.max(0, over + by);
    form.toggleAttribute("data-over", over > 0);
  };
  addEventListener("dragenter", (event) => carries(event) && mark(1));
  addEventListener("dragleave", (event) => carries(event) && mark(-1));
  addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    mark(-over);
    const [file] = event.dataTransfer.files;
    if (file) send(file);
  });
}

if (form) start(form);
