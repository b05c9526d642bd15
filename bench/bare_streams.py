"""The limit: streams and a publisher on a bare asyncio protocol, `python -m bench.bare_streams PORT`.

It answers just what `bench.stream_load` asks, with no framework, no store and no checks: one write a client and event, of
bytes made once. A real site can come close to its latency, memory and CPU, and not below.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import cast

from bench.processes import loop_factory

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n: open\n\n"
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\n{"queue_id":1}'
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)

streams: set[asyncio.Transport] = set()


class Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.data = b""

    def connection_lost(self, _exc: Exception | None) -> None:
        streams.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, found, body = self.data.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not found or (length is not None and len(body) < int(length[1])):
            return
        if head.startswith(b"GET /api/v1/progress/stream "):
            self.transport.write(HEAD)
            streams.add(self.transport)
            return
        if head.startswith(b"PUT"):
            event = b"data: %s\n\n" % json.dumps({"queue_id": 1, **json.loads(body)}).encode()
            for stream in streams:
                stream.write(event)
        self.transport.write(ANSWER)
        self.transport.close()


async def main(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main(int(sys.argv[1])))
