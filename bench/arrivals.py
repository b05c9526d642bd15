"""From a report to its event at a client, and on a page in a browser, while nothing else happens."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from playwright.sync_api import Error

from bench.load import Connection, request
from bench.processes import TOKEN, Web, headway, valkey
from bench.rows import Row, at_most
from bench.stream_clients import STAMP, sse_steps
from scripts.shots import chromium

REPORTS, PAUSE_S = 60, 0.04
MOST_MS = 20

LISTEN = """() => new Promise((resolve) => {
  window.heard = [];
  const stream = new EventSource("/api/v1/progress/stream");
  stream.onmessage = (event) => heard.push([event.data, (performance.timeOrigin + performance.now()) / 1000]);
  stream.addEventListener("connected", () => resolve(null));
})"""


def run() -> list[Row]:
    with valkey() as url, headway(url) as site:
        rows = [_row("a client", _client(site))]
        try:
            rows.append(_row("a page in Chromium", _browser(site)))
        except Error as fault:
            print(f"not measured in a browser; scripts/tools.sh gets one: {fault.message}", file=sys.stderr)
    return rows


def _row(where: str, took_ms: list[float]) -> Row:
    return at_most(f"from a POST or PUT being sent to its event at {where}, median", median(took_ms), "ms", MOST_MS)


def _report(site: Web) -> None:
    """Jobs that are made and updated; each request's message says when it was sent."""
    with Connection(site.port) as connection:
        for _ in range(REPORTS):
            made = _send(connection, "POST", "/api/v1/queue", 201)
            _send(connection, "PUT", f"/api/v1/queue/{made}", 200)


def _send(connection: Connection, method: str, path: str, wanted: int) -> int:
    body = b'{"message":"t=%.6f"}' % time.time()
    status, answer = connection.ask(request(method, path, body, Content_Type="application/json"))
    assert status == wanted, f"{method} {path} answers {status}"
    time.sleep(PAUSE_S)
    return int(json.loads(answer)["queue_id"])


def _client(site: Web) -> list[float]:
    took_ms: list[float] = []

    def listen() -> None:
        rest = b""
        while len(took_ms) < 2 * REPORTS:
            data, now = stream.socket.recv(65_536), time.time()
            assert data, "the stream ended"
            *events, rest = (rest + data).split(b"\n\n")
            took_ms.extend((now - float(found[1])) * 1e3 for event in events for found in STAMP.finditer(event))

    with _opened(site) as stream:
        listener = threading.Thread(target=listen)
        listener.start()
        _report(site)
        listener.join()
    return took_ms


@contextmanager
def _opened(site: Web) -> Iterator[Connection]:
    """A stream that has said `connected`."""
    with Connection(site.port) as stream:
        stream.send(sse_steps()[0][0])
        said = b""
        while b"\n\n" not in said.partition(b"event: connected")[2]:
            said += stream.socket.recv(65_536)
        yield stream


def _browser(site: Web) -> list[float]:
    with chromium() as browser:
        page = browser.new_context(extra_http_headers={"Authorization": f"Bearer {TOKEN}"}).new_page()
        page.goto(f"http://127.0.0.1:{site.port}/healthz")
        page.evaluate(LISTEN)
        _report(site)
        page.wait_for_function(f"heard.length >= {2 * REPORTS}")
        heard: list[tuple[str, float]] = page.evaluate("heard")
    return [(at - float(found[1])) * 1e3 for text, at in heard for found in STAMP.finditer(text.encode())]
