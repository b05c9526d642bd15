import { locate } from "./stream.js";

/** A ticket with which a page of another origin may open one stream, once. Ask for it where the token is at home. */
export async function newTicket(url, token) {
  const answer = await fetch(locate(url, "/api/v1/tickets"), {
    method: "POST",
    headers: { Authorization: `Bearer ${token}` },
  });
  if (!answer.ok) throw new Error(`${url} gave no ticket: it answered ${answer.status}`);
  return (await answer.json()).ticket;
}
