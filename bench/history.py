"""Five million archived jobs: first pages of searches in PostgreSQL, and files of a million rows out of both databases."""

from __future__ import annotations

import http.client
import shutil
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from bench.processes import TOKEN, Web, headway, valkey
from bench.rows import Row, at_least, at_most
from core import migrations
from core.database import FILE, Database
from core.settings import read
from tests.postgres import Postgres

JOBS, EXPORTED = 5_000_000, 1_000_000
TIMES = 15
INDEXES = (
    "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'jobs' AND indexname NOT IN ('jobs_pkey', 'jobs_one')"
)
NAMES = """number, agent, id, status, title, queue, function, stage, failed_stage, message, error, progress, attempt, created_ms,
started_ms, finished_ms, updated_ms, duration_ms, bucket, published, stages, attempts, metadata"""
# A job each four seconds up to now; words of which some are in every job, some in a few, some in one; 5 % failed.
ROWS = """
SELECT n, 'agent-' || n % 40, 'job-' || n, CASE WHEN n % 20 = 7 THEN 'failed' ELSE 'completed' END,
  'Episode ' || n || ' of the show w' || {floor}(exp({random} * 9)), CASE WHEN n % 2 = 0 THEN 'queue-' || n % 7 END,
  CASE WHEN n % 3 = 0 THEN 'tasks.f' || n % 11 END, 'done', CASE WHEN n % 20 = 7 THEN 'stage-' || n % 3 END,
  'Done with w' || {floor}(exp({random} * 13)),
  CASE WHEN n % 20 = 7 THEN 'ConnectionError: db' || n % 50 || '.example.com refused after ' || n % 97 || ' s, w'
    || {floor}(exp({random} * 13)) END,
  100, 1, t - d - 2000, t - d, t, t, d, {floor}(ln(d + 1) / ln(1.1)), {false},
  '[["fetch",' || (t - d) || ',' || (t - d / 2) || '],["encode",' || (t - d / 2) || ',' || t || ']]', '[]', '{{"n":' || n || '}}'
FROM ({numbers}) AS numbers
"""
SEARCHES = {
    "all": "",
    "failures": "status=failed",
    "an agent's failures": "agent=agent-7&status=failed",
    "an agent": "agent=agent-3",
    "a queue": "queue=queue-2",
    "a function": "function=tasks.f3",
    "a failed stage": "stage=stage-1",
    "a week": "from={week_ago}",
    "the slow ones": "min_s=7000",
    "one job": "job=job-4711",
    "a word of every job": "q=episode",
    "a word of one in twenty": "q=connectionerror",
    "a word of one in a thousand": 'q="db13"',
    "a rare word": 'q="w400000"',
    "a word of none": "q=nowhere",
    "the beginning of a word": "q=conn*",
    "words side by side": 'q="db13+example"',
    "a common word of an agent": "q=episode&agent=agent-3",
    "a rare word of failures": 'q="w100000"&status=failed',
    "a common word without another": "q=episode+-w1",
}


def run() -> list[Row]:
    postgres = Postgres()
    try:
        rows = _of_postgresql(postgres.start())
    finally:
        postgres.close()
    return rows + _of_sqlite()


def _of_postgresql(postgres: Postgres) -> list[Row]:
    seed_postgresql(postgres.url, JOBS)
    with _site(DATABASE_URL=postgres.url) as site:
        rows = list(_searches(site))
        oldest = f"to={time.time() - (JOBS - EXPORTED) * 4:.0f}"
        return [*rows, *_exports(site, "PostgreSQL", oldest)]


def _of_sqlite() -> list[Row]:
    folder = Path(tempfile.mkdtemp(prefix="hw-bench-"))
    try:
        seed_sqlite(folder, EXPORTED)
        with _site(HEADWAY_DATA=str(folder)) as site:
            return _exports(site, "SQLite", "")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def seed_postgresql(url: str, jobs: int) -> None:
    """The tables with so many jobs, as autovacuum leaves them; indexes are made once the rows are there."""
    migrations.move(Database(read({"DATABASE_URL": url})))
    numbers = f"""SELECT n, {round(time.time() * 1000)} - ({jobs} - n) * 4000::bigint AS t, floor(exp(random() * 16))::bigint AS d
        FROM generate_series(1, {jobs}) AS n"""  # noqa: S608
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '1GB'")
        indexes: list[Any] = connection.execute(INDEXES).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}".encode())
        rows = ROWS.format(floor="floor", random="random()", false="false", numbers=numbers)
        connection.execute(f"INSERT INTO jobs ({NAMES}) {rows}".encode())
        for _, made in indexes:
            connection.execute(made.encode())
        connection.execute(f"UPDATE archive SET jobs = {jobs}".encode())  # noqa: S608
        connection.execute("VACUUM ANALYZE jobs")


def seed_sqlite(folder: Path, jobs: int) -> None:
    migrations.move(Database(read({"HEADWAY_DATA": str(folder)})))
    numbers = f"""WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {jobs})
        SELECT n, {round(time.time() * 1000)} - ({jobs} - n) * 4000 AS t, (n * 7919) % 8000000 AS d FROM numbers"""  # noqa: S608
    rows = ROWS.format(floor="whole", random="abs(random() / 9223372036854775808.0)", false="0", numbers=numbers)
    connection = sqlite3.connect(folder / FILE, isolation_level=None)
    connection.create_function("whole", 1, int)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(f"INSERT INTO jobs ({NAMES}) {rows}")
    connection.execute("UPDATE archive SET jobs = ?", (jobs,))
    connection.close()


@contextmanager
def _site(**env: str) -> Iterator[Web]:
    with valkey() as url, headway(url, **env) as site:
        yield site


def _searches(site: Web) -> Iterator[Row]:
    medians = list[float]()
    for name, search in SEARCHES.items():
        address = "/api/v1/history?" + search.format(week_ago=round(time.time() - 7 * 86_400)).replace('"', "%22")
        took = [_get(site, address) for _ in range(TIMES)]
        medians.append(statistics.median(took) * 1000)
        yield Row(f"first page of {JOBS:,} archived jobs: {name}, median", medians[-1], "ms")
    yield at_most("the slowest of these", max(medians), "ms", 50)


def _exports(site: Web, database: str, search: str) -> list[Row]:
    rows = list[Row]()
    for form in ("ndjson", "csv"):
        _get(site, f"/api/v1/history/export?format={form}&agent=agent-1")
        rest = peak = site.rss_mb()
        over = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not over.wait(0.1):  # noqa: B023  it ends before the next round
                peak = max(peak, site.rss_mb())

        watcher = threading.Thread(target=watch)
        watcher.start()
        begun = time.perf_counter()
        lines = _lines(site, f"/api/v1/history/export?format={form}&{search}")
        took = time.perf_counter() - begun
        over.set()
        watcher.join()
        what = f"export of {lines:,} rows from {database} as {form.upper()}"
        rows.append(at_least(what, lines / took, "rows/s", 50_000))
        rows.append(at_most(f"growth of the web process in it ({form.upper()})", peak - rest, "MB", 20))
    return rows


def _get(site: Web, address: str) -> float:
    begun = time.perf_counter()
    _lines(site, address)
    return time.perf_counter() - begun


def _lines(site: Web, address: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=600)
    connection.request("GET", address, headers={"Authorization": f"Bearer {TOKEN}"})
    answer = connection.getresponse()
    lines = 0
    while block := answer.read(1024 * 1024):
        lines += block.count(b"\n")
    connection.close()
    assert answer.status == 200, f"{address} is {answer.status}"
    return lines
