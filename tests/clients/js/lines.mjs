// How a script and its test talk: a line of JSON each way.
import { createInterface } from "node:readline";

export function say(value) {
  console.log(JSON.stringify(value));
}

/** What the test says, until it has no more to say. */
export async function* heard() {
  for await (const line of createInterface({ input: process.stdin })) yield JSON.parse(line);
}
