"""A server that answers its connections as a test wrote it down, byte for byte: what no site does when asked."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
PIECES_S = 0.02


def refusal(status: str, *headers: str, problem: bool = True) -> list[bytes]:
    """An error, by default as Headway says it."""
    kind = "application/problem+json" if problem else "text/html"
    head = "\r\n".join(
        [f"HTTP/1.1 {status}", f"Content-Type: {kind}", "Content-Length: 2", "Connection: close", *headers]
    )
    return [head.encode() + b"\r\n\r\n{}"]


class Scripted:
    """Each connection gets the next of `answers`, piece by piece, and is then closed; the last one stays open."""

    def __init__(self, answers: Sequence[Sequence[bytes]]) -> None:
        self.asked: list[str] = []
        """The head of each request, in lower case."""
        self.times: list[float] = []
        self._answers = list(answers)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError):
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        self.asked.append(head.decode().lower())
        self.times.append(time.monotonic())
        for piece in self._answers.pop(0) if self._answers else ():
            connection.sendall(piece)
            time.sleep(PIECES_S)
        if self._answers:
            connection.close()
        else:
            self._held.append(connection)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        for connection in self._held:
            connection.close()


@contextmanager
def scripted(*answers: Sequence[bytes]) -> Iterator[Scripted]:
    server = Scripted(answers)
    try:
        yield server
    finally:
        server.close()
