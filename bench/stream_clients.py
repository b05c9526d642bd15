"""Clients of streams, as many as a machine takes: what they say to begin, and when what was sent reached them."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

from bench.load import request

STAMP = re.compile(rb'"message": ?"t=(\d+\.\d{6})"')
LONGEST_STAMP = 40
OPENING_AT_ONCE = 200
PATIENCE_S = 30.0

Step = tuple[bytes, bytes]
"""What a client says, and what it waits for before it goes on."""


@dataclass
class Heard:
    """What all streams of a round heard."""

    took_s: list[float] = field(default_factory=list)
    last_at: float = 0


class Stream(asyncio.Protocol):
    """One open stream; `heard` takes how long each event was on its way."""

    def __init__(self, steps: Sequence[Step], heard: Heard, look_every_s: float = 0) -> None:
        loop = asyncio.get_running_loop()
        self.opened, self.closed = loop.create_future(), loop.create_future()
        self.got = 0
        self.transport: asyncio.Transport
        self._steps, self._heard, self._look_every_s = list(steps), heard, look_every_s
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._steps[0][0])

    def data_received(self, data: bytes) -> None:
        now, data = time.time(), self._rest + data
        while self._steps:
            at = data.find(self._steps[0][1])
            if at < 0:
                self._rest = data
                return
            data = data[at:]
            del self._steps[0]
            if self._steps:
                self.transport.write(self._steps[0][0])
            else:
                self.opened.set_result(None)
        end = 0
        for match in STAMP.finditer(data):
            self._heard.took_s.append(now - float(match[1]))
            end = match.end()
            self.got += 1
            self._heard.last_at = now
        self._rest = data[max(end, len(data) - LONGEST_STAMP) :]
        if self._look_every_s:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(self._look_every_s, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionError("closed before it answered"))
        self.closed.set_result(None)

    def _look(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()


def sse_steps(**headers: str) -> list[Step]:
    return [(request("GET", "/api/v1/progress/stream", b"", Accept="text/event-stream", **headers), b" 200 ")]


def socketio_steps(agent: str) -> list[Step]:
    """As the documented client does: the websocket, the namespace, the room."""
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    return [
        (request("GET", "/socket.io/?EIO=4&transport=websocket", b"", **upgrade), b'"sid"'),
        (_frame(b"40"), b'40{"sid"'),
        (_frame(b'420["subscribe:agent","%s"]' % agent.encode()), b"430["),
    ]


def _frame(text: bytes) -> bytes:
    """A client's frame of less than 126 bytes, under a mask of zeros."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


@asynccontextmanager
async def opened(
    port: int, count: int, steps: list[Step], heard: Heard, look_every_s: float = 0
) -> AsyncIterator[list[Stream]]:
    """Streams that are open; who was refused is not among them."""
    gate, loop = asyncio.Semaphore(OPENING_AT_ONCE), asyncio.get_running_loop()
    begun: list[Stream] = []

    async def one() -> Stream | None:
        async with gate:
            with suppress(OSError, TimeoutError):
                made = loop.create_connection(lambda: Stream(steps, heard, look_every_s), "127.0.0.1", port)
                _, stream = await asyncio.wait_for(made, PATIENCE_S)
                begun.append(stream)
                await asyncio.wait_for(stream.opened, PATIENCE_S)
                return stream
        return None

    found = await asyncio.gather(*(one() for _ in range(count)))
    try:
        yield [stream for stream in found if stream is not None]
    finally:
        for stream in begun:
            stream.transport.abort()
        await asyncio.gather(*(stream.closed for stream in begun))


async def ask(port: int, method: str, path: str, body: bytes, content_type: str = "application/json") -> Any:
    """What a request on a connection of its own is answered with; None when that is an error."""
    with suppress(OSError, TimeoutError, IndexError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(method, path, body, Content_Type=content_type, Connection="close"))
        answer = await asyncio.wait_for(reader.read(), PATIENCE_S)
        writer.close()
        await writer.wait_closed()
        if answer.split(b" ", 2)[1] in (b"200", b"201"):
            return json.loads(answer.partition(b"\r\n\r\n")[2])
    return None


def silent_client(port: int) -> socket.socket:
    """A client that asks for the stream and reads nothing, not even how that is answered."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(sse_steps()[0][0])
    return client
