"""Finished jobs into the archive, from the store's event stream into each database, and a comparison of all that it has."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from flask import Flask

from app import create_site
from bench.processes import valkey
from bench.rows import Row, at_least
from core import keys
from core.config import Config
from core.database import Database
from core.settings import read
from core.site import Site
from services import jobs_service
from services.archive_service import Archiver, standing
from services.job_rules import HistoryRow
from tests.postgres import Postgres

JOBS = 60_000
WORDS = (
    "upload",
    "timeout",
    "retry",
    "encoder",
    "stream",
    "bucket",
    "frame",
    "worker",
    "index",
    "chunk",
    "quota",
    "socket",
)
LEAST = {"PostgreSQL": 5_000, "SQLite": 3_000}
WAIT_S = 300.0


def run() -> list[Row]:
    postgres = Postgres()
    try:
        return [*_measure(None), *_measure(postgres.start())]
    finally:
        postgres.close()


def _measure(postgres: Postgres | None) -> list[Row]:
    with _site(postgres) as site:
        archiver = Archiver()
        archiver.run(site)
        _end(site, 0, 1)
        archiver.run(site)
        _end(site, 1, JOBS)
        streamed = JOBS / _until_done(site, archiver)
        for partition in range(site.store.partitions):
            site.store.redis.hdel(keys.ARCHIVE.at(partition), "of")
        compared = _until_done(site, archiver)
        name = site.database.name
    return [
        at_least(f"finished jobs archived into {name}", streamed, "/s", LEAST[name]),
        Row(f"archived jobs compared with {name}", JOBS / compared, "/s"),
    ]


def _until_done(site: Site, archiver: Archiver) -> float:
    begun = time.perf_counter()
    while True:
        archiver.run(site)
        stands = standing(site)
        if not stands.behind:
            return time.perf_counter() - begun
        assert time.perf_counter() - begun < WAIT_S, stands


def _end(site: Site, first: int, count: int) -> None:
    """Jobs as they are: a title, a message, stages, metadata; one in twenty failed, with a long error."""
    rows = []
    for i in range(first, first + count):
        words = [WORDS[(i + step * step) % len(WORDS)] for step in range(60)]
        failed = i % 20 == 0
        rows.append(
            HistoryRow(
                id=f"job-{i:08d}", agent=f"agent-{i % 20}", status="failed" if failed else "completed",
                title=f"{' '.join(words[:4])} {i}", message=" ".join(words[4:12]), stage="uploading",
                error=" ".join(words) if failed else None, metadata={"queue": f"q{i % 5}", "function": f"app.f{i % 50}"},
            )
        )  # fmt: skip
    jobs_service.store_rows(site, rows)


@contextmanager
def _site(postgres: Postgres | None) -> Iterator[Site]:
    with valkey() as url, tempfile.TemporaryDirectory() as folder:
        settings = read({"REDIS_URL": url, "HEADWAY_DATA": folder})
        site = create_site(Flask("bench"), settings, Config())
        database = Database(replace(settings, data=Path(folder), database_url=postgres.url if postgres else None))
        yield replace(site, database=database)
        database.close()
        site.store.close()
