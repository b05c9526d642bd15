"""A lean HTTP/1.1 client: one request after another on each kept connection, no pipelining.

As a process of its own, so that it takes nothing from what it measures: `python -m bench.load PORT SECONDS
CONNECTIONS`, the request's bytes on standard input, one JSON line on standard output.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

from bench.processes import ROOT, TOKEN

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)


@dataclass(frozen=True)
class Load:
    """What a round of load saw."""

    per_second: float
    p50_ms: float
    p99_ms: float
    statuses: dict[str, int]


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """A request's bytes, with the admin token; header names with `_` for `-`."""
    given = {"Host": "127.0.0.1", "Authorization": f"Bearer {TOKEN}"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    if body:
        given["Content-Length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


class Connection:
    """One kept connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, message: bytes) -> None:
        self._data = b""
        self.socket.sendall(message)

    def receive(self) -> tuple[int, bytes] | None:
        """Read once; the status and the body when the answer is whole."""
        data = self.socket.recv(262_144)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return None
        status = int(self._data[9:12])
        found = _LENGTH.search(self._data, 0, end + 2)
        if found is None and status != 304:
            raise ConnectionError("an answer without a length")
        if len(self._data) < end + 4 + (int(found[1]) if found and status != 304 else 0):
            return None
        return status, self._data[end + 4 :]

    def ask(self, message: bytes) -> tuple[int, bytes]:
        self.send(message)
        while True:
            if answer := self.receive():
                return answer

    def headers(self) -> str:
        """The head of the last answer."""
        return self._data.partition(b"\r\n\r\n")[0].decode("latin-1")


def load(port: int, message: bytes, seconds: float, connections: int = 8) -> Load:
    """A round of load from a process of its own."""
    command = [sys.executable, "-m", "bench.load", str(port), str(seconds), str(connections)]
    out = subprocess.run(command, cwd=ROOT, input=message, stdout=subprocess.PIPE, check=True).stdout
    return Load(**json.loads(out))


def measure(port: int, message: bytes, seconds: float, connections: int) -> Load:
    selector = selectors.DefaultSelector()
    sent: dict[int, float] = {}
    took: list[float] = []
    statuses: dict[str, int] = {}
    start = time.perf_counter()
    for _ in range(connections):
        connection = Connection(port)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        sent[id(connection)] = time.perf_counter()
        connection.send(message)
    while (now := time.perf_counter()) - start < seconds:
        for key, _ in selector.select(1):
            connection = key.data
            if answer := connection.receive():
                now = time.perf_counter()
                took.append(now - sent[id(connection)])
                statuses[str(answer[0])] = statuses.get(str(answer[0]), 0) + 1
                sent[id(connection)] = now
                connection.send(message)
    for key in list(selector.get_map().values()):
        key.data.socket.close()
    selector.close()
    took.sort()
    return Load(len(took) / (now - start), took[len(took) // 2] * 1e3, took[len(took) * 99 // 100] * 1e3, statuses)


if __name__ == "__main__":
    found = measure(int(sys.argv[1]), sys.stdin.buffer.read(), float(sys.argv[2]), int(sys.argv[3]))
    print(json.dumps(found.__dict__))
