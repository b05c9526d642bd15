"""Services that channels send to, on loopback: they note what comes, and answer as they are told."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from core.config import Config, parse
from tests.conftest import wait_until


@dataclass
class Came:
    """A message as it came."""

    at: float
    headers: dict[str, str]
    title: str
    body: str
    type: str

    @property
    def ids(self) -> list[str]:
        return self.headers["headway-notification"].split(", ")


@dataclass
class Receiver:
    """A webhook on loopback. `statuses` are its next answers, 200 when they run out. What comes while `hold` is set gets none until
    it is released."""

    port: int = 0
    came: list[Came] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    hold: bool = False
    _released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"json://user:geheimnis@127.0.0.1:{self.port}/hook/xyzzytoken"

    def release(self) -> None:
        self.hold = False
        self._released.set()

    def wait_for(self, many: int, within: float = 30.0) -> list[Came]:
        wait_until(lambda: len(self.came) >= many, within=within, what=f"message {many}")
        return self.came

    def take(self, headers: dict[str, str], told: dict[str, Any]) -> int:
        self.came.append(Came(time.monotonic(), headers, told["title"], told["message"], told["type"]))
        if self.hold:
            self._released.wait()
        return self.statuses.pop(0) if self.statuses else 200


def configured(*channels: str, outgoing: str = 'allow = ["127.0.0.1"]') -> Config:
    """A configuration with these channels, each the text of its table. Raises FieldError."""
    return parse("\n".join([*(f"[[channels]]\n{one}" for one in channels), "[outgoing]", outgoing]), {})


@contextmanager
def receiver() -> Iterator[Receiver]:
    one = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = one.take({name.lower(): value for name, value in self.headers.items()}, told)
            try:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
            except OSError:
                pass  # who asked has gone

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    one.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield one
    finally:
        one.release()
        server.shutdown()
        server.server_close()
