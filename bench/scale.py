"""The same reads on a store with a thousand jobs and on one with a million; what a job costs there; rq-dashboard beside it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from tempfile import TemporaryDirectory

from flask import Flask

import panels
import panels._board
from app import create_app
from bench import rq_listing
from bench.load import Connection, request
from bench.processes import TOKEN, Web, headway, valkey
from bench.rows import Row, at_most, at_most_times
from bench.seed import AGENTS, seed
from core.settings import read
from core.site import Site
from panels import Board
from services import analytics_service

SMALL = 1_000
ROUNDS = 150
MOST_TIMES = 1.3


@dataclass(frozen=True)
class Scale:
    """A store with so many jobs: in this process, and served."""

    jobs: int
    app: Flask
    web: Web
    bytes_per_job: float

    @property
    def site(self) -> Site:
        site: Site = self.app.extensions["headway"]
        return site


def run(jobs: int) -> list[Row]:
    with _scale(SMALL) as small, _scale(jobs) as large:
        rows = [at_most(f"store, a job of {jobs:,}", large.bytes_per_job, "bytes", 1_500)]
        rows += _lists(small, large)
        rows += _panels(small, large)
    return rows + rq_listing.run(100_000)


@contextmanager
def _scale(jobs: int) -> Iterator[Scale]:
    with valkey() as url, TemporaryDirectory(prefix="hw-bench-") as folder:
        app = create_app(read({"REDIS_URL": url, "HEADWAY_TOKEN": TOKEN, "HEADWAY_DATA": folder}))
        site: Site = app.extensions["headway"]
        before = _used(site)
        start = time.monotonic()
        seed(site, jobs)
        after = _used(site)
        logging.getLogger("bench").info("%s jobs seeded in %.0f s", jobs, time.monotonic() - start)
        with headway(url, HEADWAY_KEEP_JOBS=str(10 * jobs)) as web:
            yield Scale(jobs, app, web, (after - before) / jobs)
        site.store.close()


def _used(site: Site) -> int:
    return int(site.store.redis.info("memory")["used_memory"])


def _lists(small: Scale, large: Scale) -> list[Row]:
    """The first, the middle and the last page of 50 jobs, as JSON and as a page."""
    rows = []
    for place in ("first", "middle", "last"):
        for what, path in (("jobs, {} 50 as JSON", "/api/v1/queue?limit=50"), ("jobs page, {} 50", "/dashboard/jobs?")):
            took = _in_turns(lambda one: _asker(one, path, place), small, large)  # noqa: B023  called at once
            rows.append(_compared(what.format(place), took, small, large))
            if "JSON" in what:
                rows.append(at_most(what.format(place), took[1], "ms", 5))
    failed = f"/api/v1/queue?limit=50&status=failed&agent={AGENTS[2]}"
    took = _in_turns(lambda one: _asker(one, failed, "first"), small, large)
    return [*rows, _compared("jobs, failed ones of an agent", took, small, large)]


def _asker(scale: Scale, path: str, place: str) -> Callable[[], object]:
    """Asks for a page of the list on a kept connection."""
    cursor = {"first": "", "middle": f"&cursor={scale.jobs // 2}", "last": "&cursor=51"}[place]
    connection, message = Connection(scale.web.port), request("GET", path + cursor)
    status, body = connection.ask(message)
    assert status == 200, f"{path}{cursor} answers {status}"
    if path.startswith("/api"):
        found = json.loads(body)["items"]
        assert len(found) == 50, f"{path}{cursor} has {len(found)} jobs"
    return lambda: connection.ask(message)


def _panels(small: Scale, large: Scale) -> list[Row]:
    """Each panel read and rendered, its JSON and its partial, without the second for which a reading is kept."""
    panels._board.FRESH_S = 0.0
    boards = {scale.jobs: _board(scale) for scale in (small, large)}
    rows = []
    for name in boards[small.jobs].panels:
        took = _in_turns(lambda one: lambda: boards[one.jobs].poll(name), small, large)  # noqa: B023  called at once
        rows.append(_compared(f"panel {name}", took, small, large))
    took = _in_turns(lambda one: lambda: analytics_service.compute_snapshot(one.site), small, large)
    return [*rows, _compared("analytics snapshot, computed", took, small, large)]


def _board(scale: Scale) -> Board:
    board = Board(scale.site, scale.app.jinja_env, panels.PANELS)
    board.raises = True
    return board


def _in_turns(begin: Callable[[Scale], Callable[[], object]], *scales: Scale) -> list[float]:
    """Median milliseconds of each, measured in turns so that what else the machine does weighs on both."""
    calls = [begin(scale) for scale in scales]
    took: list[list[float]] = [[] for _ in scales]
    for _ in range(ROUNDS):
        for at, call in enumerate(calls):
            start = time.perf_counter()
            call()
            took[at].append((time.perf_counter() - start) * 1e3)
    return [median(times) for times in took]


def _compared(what: str, took: list[float], small: Scale, large: Scale) -> Row:
    return at_most_times(f"{what} at {large.jobs:,}", took[1], "ms", f"at {small.jobs:,}", took[0], MOST_TIMES)
