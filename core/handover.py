"""Streams whose sockets gunicorn hands over: they hold no greenlet and no place among the worker's connections.

A view authorises and leaves in a box of `environ` how its stream begins; once the head of the answer is known, the
socket is taken from gunicorn and the request ends by `StopIteration`, as a worker's connection does. It rests on the
insides of gunicorn's gevent worker, so it stands in this file alone. Where there is no such socket (another server,
TLS in the worker, HTTP/2) the box is missing and a view answers by `core.queued`.
"""

from __future__ import annotations

import _socket
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

import gevent

from core.backlog import Backlog, Frame, Overflow
from core.hub import STALL_S, Client, Hub, Transport

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

BOX = "headway.handover"
READ, WRITE = 1, 2
AT_ONCE = 64 * 1024
SEND_BUFFER = 128 * 1024
"""What the kernel holds for a client that does not read, before we notice."""


class Box:
    """Where a view leaves how its stream begins; `None` while the answer is an ordinary one."""

    def __init__(self) -> None:
        self.make: Callable[[_socket.socket, bytes], None] | None = None


class SocketClient(Client):
    """A client on a socket of ours, written to without ever waiting."""

    __slots__ = ("_allowed", "_backlog", "_moved_at", "_reading", "_rest", "_sock", "_writing")

    def __init__(
        self, hub: Hub, transport: Transport, channels: Sequence[str], limit: int, sock: _socket.socket
    ) -> None:
        super().__init__(hub, transport, channels, limit)
        self._sock = sock
        self._allowed = 0
        self._backlog: Backlog | None = None
        self._rest = b""
        self._moved_at = 0.0
        self._writing: Any = None
        self._reading: Any = gevent.get_hub().loop.io(sock.fileno(), READ)
        self._reading.start(self._hear)

    def deliver(self, data: bytes, frames: Sequence[Frame]) -> bool:
        if not self.open:
            return False
        if self._writing is None:
            try:
                sent = self._sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.close()
                return False
            if sent == len(data):
                return True
            frames = self._hold(sent, frames)
        self._queue(frames)
        return False

    def allow(self, more: int) -> None:
        self._allowed += more
        if self._backlog is not None:
            self._backlog.limit += more

    @property
    def waiting(self) -> int:
        return len(self._backlog or ())

    def stalled(self, now: float) -> bool:
        return self._writing is not None and now - self._moved_at > STALL_S

    def close(self) -> None:
        if not self.open:
            return
        super().close()
        for watcher in (self._reading, self._writing):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._reading = self._writing = self._backlog = None
        self._sock.close()

    def _hold(self, sent: int, frames: Sequence[Frame]) -> Sequence[Frame]:
        """Begin to wait for the client; answers the frames of which nothing was sent."""
        whole = 0
        while sent >= len(frames[whole].data):
            sent -= len(frames[whole].data)
            whole += 1
        if sent:
            self._rest = frames[whole].data[sent:]
            whole += 1
        self.count(whole, 0)
        self._backlog = Backlog(self.limit + self._allowed)
        self._moved_at = time.monotonic()
        self._writing = gevent.get_hub().loop.io(self._sock.fileno(), WRITE)
        self._writing.start(self._write)
        return frames[whole:]

    def _queue(self, frames: Sequence[Frame]) -> None:
        assert self._backlog is not None  # noqa: S101
        try:
            dropped = self._backlog.add(frames)
        except Overflow:
            self.close()
        else:
            self.count(0, dropped)

    def _write(self) -> None:
        """The socket takes more."""
        assert self._backlog is not None  # noqa: S101
        while True:
            if not self._rest:
                taken = self._backlog.take(AT_ONCE)
                if not taken:
                    break
                self._rest = b"".join(frame.data for frame in taken)
                self.count(len(taken), 0)
            try:
                sent = self._sock.send(self._rest)
            except BlockingIOError:
                return
            except OSError:
                self.close()
                return
            self._moved_at = time.monotonic()
            self._rest = self._rest[sent:]
        self._writing.stop()
        self._writing.close()
        self._writing = self._backlog = None
        self._allowed = 0

    def _hear(self) -> None:
        """The client said something, which means nothing, or is gone."""
        try:
            gone = not self._sock.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            gone = True
        if gone:
            self.close()


def handing_over(application: WSGIApplication, log: Any) -> Any:
    """WSGI around WSGI, the outermost: gives each request a box, and its socket to who filled it."""

    def handed(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        sock = environ.get("gunicorn.socket")
        if sock is None or isinstance(sock, ssl.SSLSocket) or environ.get("HTTP_VERSION") == "2":
            return application(environ, start_response)
        began = datetime.now()
        box = environ[BOX] = Box()
        head: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], *fault: Any) -> Any:
            if box.make is None or not status.startswith(("200 ", "101 ")):
                box.make = None
                return start_response(status, headers, *fault)
            head[:] = [status, headers]
            return _no_write

        answer = application(environ, start)
        if box.make is None:
            return answer
        with suppress(AttributeError):
            answer.close()  # type: ignore[attr-defined]
        taken = _taken(sock)
        log.access(_Head(head[0]), None, environ, datetime.now() - began)
        # In a greenlet of its own: a stream may wait for its store, and this one counts among the worker's connections.
        gevent.spawn(box.make, taken, _head_bytes(*head))
        raise StopIteration

    return handed


class _Head:
    """What a line of the access log tells of an answer."""

    def __init__(self, status: str) -> None:
        self.status, self.sent = status, 0


def _taken(sock: Any) -> _socket.socket:
    taken = _socket.socket(fileno=sock.detach())
    taken.setblocking(False)
    if taken.family in (socket.AF_INET, socket.AF_INET6):
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A peer that is gone without a word: what was sent and not acknowledged for so long ends the connection.
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALL_S * 1000)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    return taken


def _head_bytes(status: str, headers: list[tuple[str, str]]) -> bytes:
    kept = [(name, value) for name, value in headers if name.lower() not in ("content-length", "connection")]
    connection = "Upgrade" if status.startswith("101 ") else "close"
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in kept), f"Connection: {connection}", "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _no_write(_data: bytes) -> None:
    raise RuntimeError("a stream is written by its client alone")
