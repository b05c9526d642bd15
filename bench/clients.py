"""What a call of the Python client costs the program that makes it, while a real site takes its reports."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "clients" / "python" / "src"))

from bench.load import Connection, request
from bench.processes import TOKEN, headway, valkey
from bench.rows import Row, at_most, at_most_times
from headway.job import Job
from headway.reporter import Reporter
from headway.settings import read

ROUNDS, CALLS = 41, 2_000
UPDATES = 10_000


def run() -> list[Row]:
    with valkey() as url, headway(url) as site:
        reporter = Reporter(read(f"http://127.0.0.1:{site.port}", TOKEN))
        job = Job("measured", reporter=reporter)
        job.start()
        values: dict[str, Any] = {}

        def assign(number: int) -> None:
            values["progress"] = number

        def told(number: int) -> None:
            job.progress(number % 100)

        def told_in_words(number: int) -> None:
            job.progress(number % 100, message="reading the next part")

        progress, words, bare = (_microseconds(call) for call in (told, told_in_words, assign))
        requests = _requests(reporter, site.port)
        reporter.end()
    beside = "a dict assignment"
    return [
        at_most_times("a call of job.progress, Python", progress, "µs", beside, bare, 100),
        Row("the same with a message", words, "µs", beside, bare),
        at_most(f"requests for {UPDATES:,} updates in a loop", requests, "", 10),
    ]


def _microseconds(call: Callable[[int], None]) -> float:
    """CPU time of a call in the calling thread alone, so that what the sending one does counts for nothing."""
    found = []
    for _ in range(ROUNDS):
        start = time.thread_time()
        for number in range(CALLS):
            call(number)
        found.append((time.thread_time() - start) / CALLS * 1e6)
    return median(found)


def _requests(reporter: Reporter, port: int) -> int:
    """How many batches a loop of updates makes, from its first to its last word."""
    assert reporter.flush(30)
    before = _batches(port)
    with Job("counted", reporter=reporter) as job:
        for number in range(UPDATES):
            job.progress(number * 100 / UPDATES)
    assert reporter.flush(30)
    return _batches(port) - before


def _batches(port: int) -> int:
    """How many batches the site has answered."""
    with Connection(port) as connection:
        _, body = connection.ask(request("GET", "/metrics?scope=instance", Authorization=f"Bearer {TOKEN}"))
    lines = [line for line in body.decode().splitlines() if line.startswith("headway_http_requests_total")]
    return sum(int(float(line.split()[-1])) for line in lines if "/queue/batch" in line)
