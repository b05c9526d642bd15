"""A server that stands for the world outside: it answers each path with bytes of the test's choice, however ill-formed."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Said = bytes | Callable[[socket.socket], None]
"""All that goes back, or who says it on the connection itself."""


def answer(body: bytes | str, kind: str = "text/plain", status: str = "200 OK", **headers: str) -> bytes:
    """A whole answer of HTTP. In names of `headers`, `_` stands for `-`."""
    body = body.encode() if isinstance(body, str) else body
    named = {"Content-Type": kind, "Content-Length": str(len(body))}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def of_json(value: Any, status: str = "200 OK") -> bytes:
    return answer(json.dumps(value), "application/json", status)


class Outside:
    """Listens on a port of loopback. `answers` by path; `asked` has the head of each request, `connections` counts."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.answers: dict[str, Said] = {}
        self.asked: list[str] = []
        self.connections = 0
        self._ending = threading.Event()
        self._open: set[socket.socket] = set()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=128)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def close(self) -> None:
        self._ending.set()
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def slowly(self, piece: bytes, first: bytes = b"", every_s: float = 0.05) -> Callable[[socket.socket], None]:
        """Says `first`, and then a piece now and again until the other side has enough."""

        def speak(connection: socket.socket) -> None:
            connection.sendall(first)
            while not self._ending.wait(every_s):
                connection.sendall(piece)

        return speak

    def silent(self, _connection: socket.socket) -> None:
        """Says nothing at all."""
        self._ending.wait()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head and (piece := connection.recv(65_536)):
                head += piece
            if b"\r\n\r\n" not in head:
                return
            self.asked.append(head.decode("latin-1"))
            path = head.split(b" ")[1].split(b"?")[0].decode()
            said = self.answers.get(path, answer("not here", status="404 Not Found"))
            if isinstance(said, bytes):
                connection.sendall(said)
            else:
                said(connection)
        self._open.discard(connection)
