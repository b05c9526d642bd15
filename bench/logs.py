"""Log lines: 10,000 a second into one web process with none lost, and a search among ten million.

The sender is a process of its own: `python -m bench.logs PORT SECONDS`.
"""

from __future__ import annotations

import dataclasses
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import redis

from app import create_app
from bench.load import Connection, request
from bench.processes import ROOT, TOKEN, Web, headway, valkey
from bench.rows import Row, at_least, at_most
from core import keys
from core.config import parse
from core.settings import read
from core.site import Site
from services import log_search, logs_service
from services.log_model import NewLine
from services.logs_service import LogQuery

RATE, SECONDS, BATCH = 10_000, 30, 1_000
PING_EVERY_S = 0.01
KEPT = 10_000_000
SOURCES = 5
NEEDLE = "the one needle"


def run() -> list[Row]:
    return [*_ingest(), *_search()]


def _ingest() -> list[Row]:
    """What was answered and what is stored, and what that costs others."""
    with valkey() as url, headway(url) as site:
        cpu_s, began = site.cpu_s(), time.perf_counter()
        sent, pings_ms = _pinged(site)
        took_s = time.perf_counter() - began
        cpu_percent = 100 * (site.cpu_s() - cpu_s) / took_s
        stored = sum(map(int, redis.Redis.from_url(url).hvals(keys.LOG_LINES.at())))
    what = f"log lines into one web process, NDJSON of {BATCH:,} lines"
    return [
        at_least(what, sent["accepted"] / sent["took_s"], "/s", RATE * 0.99, "asked for", RATE),
        at_most(
            "of those answered with 2xx and not stored, or stored twice", abs(sent["accepted"] - stored), "lines", 0
        ),
        Row("CPU of the web process meanwhile", cpu_percent, "%"),
        Row(f"GET /healthz meanwhile, 99th percentile of {len(pings_ms)}", pings_ms[len(pings_ms) * 99 // 100], "ms"),
        Row("as fast as one sender goes", sent["most"], "/s"),
    ]


def _pinged(site: Web) -> tuple[dict[str, float], list[float]]:
    """What the sender saw, and what other requests took meanwhile, in ms, in order."""
    pings: list[float] = []
    over = threading.Event()

    def ping() -> None:
        with Connection(site.port) as connection:
            while not over.wait(PING_EVERY_S):
                start = time.perf_counter()
                assert connection.ask(request("GET", "/healthz"))[0] == 200
                pings.append((time.perf_counter() - start) * 1e3)

    pinger = threading.Thread(target=ping)
    pinger.start()
    try:
        command = [sys.executable, "-m", "bench.logs", str(site.port), str(SECONDS)]
        sent = json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
    finally:
        over.set()
        pinger.join()
    return sent, sorted(pings) or [0.0]


def send(port: int, seconds: float) -> dict[str, float]:
    """Lines at RATE for so long, and then some as fast as they are taken; how many were accepted in all."""
    bodies = [b"\n".join(_json(number) for number in range(BATCH)) for _ in range(10)]
    messages = [request("POST", "/api/v1/logs", body, Content_Type="application/x-ndjson") for body in bodies]
    accepted, began = 0, time.perf_counter()
    with Connection(port) as connection:

        def one(turn: int) -> int:
            status, body = connection.ask(messages[turn % len(messages)])
            assert status == 200, f"{status}: {body[:300]!r}"
            return int(json.loads(body)["accepted"])

        turns = int(seconds * RATE / BATCH)
        for turn in range(turns):
            time.sleep(max(0.0, began + turn * BATCH / RATE - time.perf_counter()))
            accepted += one(turn)
        took_s = max(time.perf_counter() - began, seconds)
        paced, began = accepted, time.perf_counter()
        for turn in range(50):
            accepted += one(turn)
        most = (accepted - paced) / (time.perf_counter() - began)
    return {"accepted": accepted, "took_s": took_s * accepted / paced, "most": most}


def _search() -> list[Row]:
    """A search among as many lines as ten million, put into the store by what the site itself appends with."""
    with valkey() as url:
        site = _site(url)
        logs_service.append(site, [_line(NEEDLE, 0)])
        for lines in _lines():
            logs_service.append(site, lines)
        kept = sum(source.lines for source in logs_service.sources(site))
        used_mb = int(site.store.redis.info("memory")["used_memory"]) / 1e6
        rows = [
            at_least("log lines kept for the search", kept, "lines", KEPT),
            Row("memory of the store with them", used_mb, "MB"),
            _timed("the newest 100 lines", site, LogQuery()),
            _timed("the newest 100 of a source", site, LogQuery(source="app/web.3")),
            _timed("the newest 100 errors with a text", site, LogQuery(level="error", q="TIMED OUT")),
            _timed(
                "the 100 critical ones of a source, one in 100,000",
                site,
                LogQuery(source="app/web.1", level="critical"),
            ),
            _whole("a text that stands in the oldest line alone", site, LogQuery(q=NEEDLE)),
        ]
        site.store.close()
    return rows


def _timed(what: str, site: Site, query: LogQuery) -> Row:
    took_ms = []
    for _ in range(5):
        began = time.perf_counter()
        logs_service.search(site, query)
        took_ms.append((time.perf_counter() - began) * 1e3)
    return at_most(f"search for {what}", max(took_ms), "ms", (log_search.BUDGET_S + 0.25) * 1e3)


def _whole(what: str, site: Site, query: LogQuery) -> Row:
    """A search to its end, which goes on from page to page."""
    began, pages, page = time.perf_counter(), 1, logs_service.search(site, query)
    while not page.complete:
        page = logs_service.search(site, dataclasses.replace(query, before=page.next_cursor))
        pages += 1
    assert [line.message for line in page.lines] == [NEEDLE]
    return Row(f"search for {what}, {pages} answers in all", time.perf_counter() - began, "s")


def _site(url: str) -> Site:
    settings = read({"REDIS_URL": url, "HEADWAY_TOKEN": TOKEN})
    site: Site = create_app(settings, parse("[retention]\nlogs_mb = 100000\n", {})).extensions["headway"]
    return site


def _lines() -> Iterator[list[NewLine]]:
    made = 1
    while made < KEPT:
        lines = [_line(_message(), made + number) for number in range(5_000)]
        made += len(lines)
        yield lines


def _line(message: str, number: int) -> NewLine:
    level = 4 if number % 100_000 == 1 else 3 if number % 50 == 2 else 1
    return NewLine(
        message if level < 3 else f"{message} timed out", level, f"app/web.{number % SOURCES}", int(time.time() * 1000)
    )


def _json(number: int) -> bytes:
    return json.dumps({"message": _message(), "level": "info", "source": f"app/web.{number % SOURCES}"}).encode()


def _message() -> str:
    return (
        f"GET /api/v1/items/{random.randrange(99_999)} 200 in {random.random() * 100:.1f} ms "
        f"for user {random.randrange(9_999)} from 10.2.{random.randrange(255)}.4 (mobile app 4.2)"
    )


if __name__ == "__main__":
    print(json.dumps(send(int(sys.argv[1]), float(sys.argv[2]))))
