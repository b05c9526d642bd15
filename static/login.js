// The link in the log of the first start bears the token behind "#", where no server, proxy or log sees it.
// Take it out of the address before anything else, then send it as the form would.
const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token) {
  history.replaceState(null, "", location.pathname + location.search);
  const form = document.getElementById("login-form");
  form.elements.token.value = token;
  form.requestSubmit();
}
