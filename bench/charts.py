"""Figures over time: what sixty series of three months take in the store, and how fast charts of any span are beside `stats`."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Iterator
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from flask import Flask

import panels
import panels._board
from app import create_app
from bench.load import Connection, request
from bench.processes import TOKEN, headway, valkey
from bench.rows import Row, at_most, at_most_times
from core import keys
from core.settings import read
from core.site import Site
from panels import Board, Choice
from services import series_catalog, series_store
from services.series_catalog import JOB_DURATION, SERIES
from services.windows import DAY_S, HOUR_S, RANGES, Window

AGENTS = 20
ALL = 60
ROUNDS = 60
MOST_MB = 64
MOST_TIMES = 2
OLD = {"an hour of three weeks ago": (21, 1), "a week of two months ago": (60, 168), "three months": (90, 85 * 24)}
"""Spans by how many days ago they began, and how many hours they last."""


def run() -> list[Row]:
    with valkey() as url, TemporaryDirectory(prefix="hw-bench-") as folder:
        app = create_app(read({"REDIS_URL": url, "HEADWAY_TOKEN": TOKEN, "HEADWAY_DATA": folder}))
        site: Site = app.extensions["headway"]
        before = _used(site)
        _fill_series(site)
        grown = (_used(site) - before) / 1e6
        _fill_hours(site)
        rows = [at_most(f"{ALL} series of 90 days in the store", grown, "MB", MOST_MB)]
        rows += _readings(app, site)
        with headway(url) as web:
            rows += _answers(web.port)
        site.store.close()
    return rows


def _used(site: Site) -> int:
    return int(site.store.redis.info("memory")["used_memory"])


def _names() -> list[str]:
    named = [*SERIES, *(f"{JOB_DURATION}agent-{at}" for at in range(AGENTS))]
    return named + [f"tile:filled.t{at}" for at in range(ALL - len(named))]


def _fill_series(site: Site) -> None:
    """Every slot of every ring, as if there had been samples all the time."""
    now, hour = int(time.time()), int(time.time() // HOUR_S)
    for name in _names():
        bounds = series_catalog.of(name).bounds
        blob = b"".join(_ring(ring, now, len(bounds)) for ring in series_store.RINGS)
        site.store.raw.set(keys.SERIES_RECORDS.at(0, name), blob)
        site.store.raw.zadd(keys.SERIES_KNOWN.at(), {name: hour})


def _ring(ring: series_store.Ring, now: int, buckets: int) -> bytes:
    newest, samples = now // ring.step_s, ring.step_s // series_store.EVERY_S
    records = [b""] * ring.slots
    for slot in range(newest - ring.slots + 1, newest + 1):
        if buckets:
            fell = [random.randrange(50) for _ in range(buckets + buckets % 2)]
            record = struct.pack(f"<IId{len(fell)}I", slot, samples, 100.0, *fell)
        else:
            value = random.random() * 100
            record = struct.pack("<IIdddd", slot, samples, value / 2, value * 2, value * samples, value)
        records[slot % ring.slots] = record
    return b"".join(records)


def _fill_hours(site: Site) -> None:
    """Ends of jobs in each hour of three months, and in each minute of a day, of thirty lengths."""
    now = time.time()
    for key, unit_s, units in ((keys.HOUR, HOUR_S, 91 * 24), (keys.MINUTE, 60, 25 * 60)):
        with site.store.raw.pipeline(transaction=False) as pipeline:
            for unit in range(int(now // unit_s) - units, int(now // unit_s) + 1):
                fields = {f"d{bucket}": random.randrange(1, 20) for bucket in random.sample(range(60, 130), 30)}
                ended = sum(fields.values())
                counted = {"created": ended, "completed": ended - 3, "failed": 3, "duration_ms": ended * 9_000}
                depth = {"depth_sum": 500, "depth_n": 100, "depth_max": 30}
                mapping: dict[Any, Any] = fields | counted | depth
                pipeline.hset(key.at(0, unit), mapping=mapping)
            pipeline.execute()


def _readings(app: Flask, site: Site) -> Iterator[Row]:
    """Each chart's data read and put as JSON and HTML, at each range, without the moment for which a reading serves everybody;
    in turns with `stats`, so that what else the machine does weighs on both."""
    board = Board(site, app.jinja_env, panels.PANELS)
    board.raises = True
    charts = [panel for panel in board.panels.values() if panel.windowed and panel.chart]
    for choice in (Choice(name) for name in RANGES):
        took: dict[str, list[float]] = {panel.name: [] for panel in charts}
        beside = list[float]()
        for _ in range(ROUNDS):
            beside.append(_timed(board, board.panels["stats"], choice))
            for panel in charts:
                took[panel.name].append(_timed(board, panel, choice))
        slowest = max(took, key=lambda name: median(took[name]))
        yield at_most_times(
            f"a chart of {choice.range}, the slowest ({slowest})",
            median(took[slowest]), "ms", "stats", median(beside), MOST_TIMES,
        )  # fmt: skip


def _timed(board: Board, panel: panels.Panel, choice: Choice) -> float:
    board._slot(panel, choice).until = float("-inf")
    start = time.perf_counter()
    board.show(panel, choice)
    return (time.perf_counter() - start) * 1e3


def _answers(port: int) -> Iterator[Row]:
    """JSON over HTTP from a web process, of spans that nobody asked for before; `stats` once it is due again."""
    now = int(time.time())
    charts = [panel.name for panel in panels.PANELS.values() if panel.windowed and panel.chart]
    with Connection(port) as connection:

        def asked(path: str) -> float:
            start = time.perf_counter()
            status, _ = connection.ask(request("GET", path))
            assert status == 200, path
            return (time.perf_counter() - start) * 1e3

        beside = list[float]()
        for _ in range(10):
            time.sleep(panels._board.FRESH_S)
            beside.append(asked("/dashboard/api/stats"))
        for what, (days_ago, hours) in OLD.items():
            took = []
            for at in range(10):
                span = Window(now - days_ago * DAY_S + at * 12 * HOUR_S, HOUR_S, hours)
                took += [asked(f"/dashboard/api/{name}?from={span.start}&to={span.end}") for name in charts]
            yield at_most_times(
                f"a chart's JSON of {what}, never asked for before", median(took), "ms", "stats, due again",
                median(beside), MOST_TIMES,
            )  # fmt: skip
