// Reads a stream cut into pieces and says its events: node reader.mjs '["data: a", "\n\n"]'
import { EventReader } from "../../../clients/js/sse.js";
import { say } from "./lines.mjs";

const reader = new EventReader();
const events = JSON.parse(process.argv[2]).flatMap((piece) => reader.read(piece));
say({ events: events.map(({ name, data, id }) => [name, data, id]), id: reader.lastEventId, retryMs: reader.retryMs ?? null });
