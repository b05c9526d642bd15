// Tells the form that mutes alerts which zone the reader is in: 8:00 is theirs.
const field = document.querySelector("[data-zone]");
if (field) field.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
