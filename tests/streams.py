"""A reader of event streams that keeps every field as it came, on a bare socket."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest

PATIENCE_S = 20.0


@dataclass
class Event:
    name: str = "message"
    data: str = ""
    id: str | None = None
    retry: int | None = None

    def json(self) -> Any:
        return self._value

    @cached_property
    def _value(self) -> Any:
        return json.loads(self.data)


@dataclass
class Stream:
    """One open stream. `events` and `comments` grow as it is read; `ended` once the server closed it."""

    sock: socket.socket
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    ended: bool = False
    _rest: bytes = b""

    @property
    def messages(self) -> list[Any]:
        """The data of the unnamed events so far."""
        return [event.json() for event in self.events if event.name == "message"]

    @property
    def last_id(self) -> str:
        return next(event.id for event in reversed(self.events) if event.id)

    def named(self, name: str) -> list[Event]:
        return [event for event in self.events if event.name == name]

    def read(self, within: float) -> bool:
        """Take what has come, waiting for something at most so long; whether anything came."""
        self.sock.settimeout(max(within, 0.001))
        try:
            data = self.sock.recv(65536)
        except TimeoutError:
            return False
        except ConnectionError:
            data = b""
        if not data:
            self.ended = True
            return False
        self._rest += data
        if not self.status:
            self._take_head()
        *blocks, self._rest = self._rest.split(b"\n\n") if self.status else [self._rest]
        for block in blocks:
            self._take(block.decode())
        return True

    def until(self, holds: Callable[[Stream], Any], within: float = PATIENCE_S) -> Any:
        """Read on until `holds(stream)` answers something true, and answer that."""
        end = time.monotonic() + within
        while not (answer := holds(self)):
            if self.ended or time.monotonic() > end:
                pytest.fail(f"not in the stream ({'ended' if self.ended else 'open'}): {self.events[-5:]}")
            self.read(end - time.monotonic())
        return answer

    def until_message(self, **wanted: Any) -> Any:
        """The first message whose data has these values."""
        return self.until(lambda s: next((m for m in s.messages if wanted.items() <= m.items()), None))

    def until_ended(self, within: float = PATIENCE_S) -> None:
        end = time.monotonic() + within
        while not self.ended:
            if time.monotonic() > end:
                pytest.fail("the stream did not end")
            self.read(end - time.monotonic())

    def close(self) -> None:
        self.sock.close()

    def _take_head(self) -> None:
        head, found, rest = self._rest.partition(b"\r\n\r\n")
        if not found:
            return
        first, *lines = head.decode().split("\r\n")
        self.status = int(first.split(" ")[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        self._rest = rest

    def _take(self, block: str) -> None:
        event, data = Event(), list[str]()
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not name:
                self.comments.append(value)
            elif name == "data":
                data.append(value)
            elif name == "event":
                event.name = value
            elif name == "id":
                event.id = value
            elif name == "retry":
                event.retry = int(value)
            else:
                pytest.fail(f"no field of an event stream: {line!r}")
        if data or event.name != "message":
            event.data = "\n".join(data)
            self.events.append(event)


def connect(
    port: int,
    path: str = "/api/v1/progress/stream",
    token: str | None = None,
    *,
    last_id: str | None = None,
    headers: dict[str, str] | None = None,
    buffer: int | None = None,
    wait: bool = True,
) -> Stream:
    """Open a stream, and wait for its first event unless `wait` is false. `buffer`: of the receiving socket, in bytes."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.settimeout(PATIENCE_S)
    try:
        sock.connect(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    sent = {"Host": f"127.0.0.1:{port}", "Accept": "text/event-stream", **(headers or {})}
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    if last_id is not None:
        sent["Last-Event-ID"] = last_id
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    sock.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
    stream = Stream(sock)
    if wait:
        stream.until(lambda s: s.status)
        if stream.status == 200:
            stream.until(lambda s: s.events)
    return stream


@contextmanager
def opened(*args: Any, **options: Any) -> Iterator[Stream]:
    stream = connect(*args, **options)
    try:
        yield stream
    finally:
        stream.close()
