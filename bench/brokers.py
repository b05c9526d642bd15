"""RQ's jobs as Headway lists them beside rq-dashboard, what following them costs their Redis, and how many events of Celery are followed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

import redis

from bench import celery_events, rq_listing
from bench.load import Connection, request
from bench.processes import TOKEN, Web, headway, valkey
from bench.rows import Row, at_least, at_most, at_most_times

SIZES = (1_000, 10_000, 100_000)
PAGE = 50
ROUNDS = 20
PATIENCE_S = 240.0
IDLE_S = 20.0
SECONDS, RATE = 20, 4_000
"""Events of Celery: for so long, and so many a second."""

SEARCHES = {
    "id": "id:{id}",
    "function": "function:time.sleep",
    "error": "error:ValueError",
    "text": '"Mail {number}"',
}


def run() -> list[Row]:
    return [*_rq(), *_celery()]


@contextmanager
def _watching(kind: str, broker: str) -> Iterator[Web]:
    with valkey() as store, TemporaryDirectory(prefix="hw-bench-") as folder:
        config = Path(folder) / "headway.toml"
        config.write_text(f'[[queues]]\nkind = "{kind}"\nurl = "{broker}"\n')
        with headway(store, HEADWAY_CONFIG=str(config)) as site:
            yield site


def _rq() -> list[Row]:
    rows: list[Row] = []
    flat: dict[str, list[float]] = {}
    for jobs in SIZES:
        with valkey() as broker:
            rq_listing.enqueue(broker, jobs)
            rq_listing.fail(broker, jobs // 100)
            theirs = rq_listing.pages_ms(broker, jobs)
            with _watching("rq", broker) as site:
                began = time.monotonic()
                _until(lambda site=site, jobs=jobs: _total(site) >= jobs + jobs // 100)  # type: ignore[misc]
                taken_s = time.monotonic() - began
                # Lists ask the archive too, from when the first failures have gone there.
                _until(lambda site=site: _get(site, "/api/v1/history?limit=1")["items"])  # type: ignore[misc]
                first, cursor = _page(site, None)
                for _ in range(jobs // PAGE // 2):
                    cursor = _page(site, cursor, rounds=1)[1]
                middle, _ = _page(site, cursor)
                rows += [
                    Row(f"RQ Redis with {jobs:,} jobs, taken in", jobs / taken_s, "/s"),
                    at_most(f"first page of 50 of {jobs:,}", first, "ms", 5, "rq-dashboard", theirs[0]),
                    at_most_times(f"middle page of {jobs:,}", middle, "ms", "the first page", first, 1.5),
                    Row(f"middle page of {jobs:,}", middle, "ms", "rq-dashboard", theirs[1]),
                ]
                for name, text in SEARCHES.items():
                    known = rq_listing.some(broker)
                    took = _ms(site, text.format(**known))
                    flat.setdefault(name, []).append(took)
                if jobs == SIZES[-1]:
                    rows += _idle(broker)
    for name, times in flat.items():
        what = f"search by {name} at {SIZES[-1]:,} jobs"
        rows.append(at_most_times(what, times[-1], "ms", f"at {SIZES[0]:,}", times[0], 2))
    return rows


def _idle(broker: str) -> list[Row]:
    """What following costs the Redis of RQ while nothing happens there, by its own count of commands."""
    with redis.Redis.from_url(broker, decode_responses=True) as connection:
        before, began = _commands(connection), time.monotonic()
        time.sleep(IDLE_S)
        after, took_s = _commands(connection), time.monotonic() - began
    spent = {name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)}
    forbidden = sum(spent.get(name, 0) for name in ("keys", "scan"))
    return [
        at_most(f"commands a second of following {SIZES[-1]:,} idle jobs", sum(spent.values()) / took_s, "", 20),
        at_most("KEYS and SCAN among them", forbidden, "", 0),
    ]


def _commands(connection: redis.Redis) -> dict[str, int]:
    """All that were called, but for the one that asks."""
    told: dict[str, dict[str, int]] = connection.info("commandstats")
    return {
        name.removeprefix("cmdstat_"): int(figures["calls"]) for name, figures in told.items() if "info" not in name
    }


def _celery() -> list[Row]:
    with valkey() as broker:
        bare = celery_events.bare(broker, SECONDS, RATE)
    with valkey() as broker, _watching("celery", broker) as site:
        _until(lambda: celery_events.is_heard(broker))
        cpu_s, began = site.cpu_s(), time.monotonic()
        sent = celery_events.send(broker, SECONDS, RATE)
        sent_s = time.monotonic() - began
        _until(lambda: _completed(site) >= sent.tasks)
        lag_s, cpu_s = time.monotonic() - began - sent_s, site.cpu_s() - cpu_s
    what = f"Celery events at {sent.events / sent_s:,.0f} a second"
    return [
        at_least("Celery events followed", sent.events / (sent_s + lag_s), "/s", RATE * 0.95, "a bare receiver", bare),
        at_most(f"{what}: the last one known after", lag_s, "s", 3),
        Row(f"{what}: CPU of the web process", 100 * cpu_s / (sent_s + lag_s), "% of a core"),
    ]


def _until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > end:
            raise AssertionError("the site did not come so far")
        time.sleep(0.25)


def _total(site: Web) -> int:
    found: int = _get(site, "/api/v1/queue?limit=1")["total"]
    return found


def _completed(site: Web) -> int:
    found: int = _get(site, "/api/v1/queue?limit=1&status=completed")["total"]
    return found


def _found(site: Web, text: str) -> dict[str, list[object]]:
    found: dict[str, list[object]] = _get(site, f"/api/v1/jobs?{urlencode({'q': text, 'limit': PAGE})}")
    return found


def _page(site: Web, cursor: str | None, rounds: int = ROUNDS) -> tuple[float, str]:
    query = {"q": "queue:default status:queued", "limit": PAGE} | ({"cursor": cursor} if cursor else {})
    path = f"/api/v1/jobs?{urlencode(query)}"
    took = _times(site, path, rounds)
    page = _get(site, path)
    assert len(page["items"]) == PAGE, page
    return took, page["next_cursor"]


def _ms(site: Web, text: str) -> float:
    assert _found(site, text)["items"], text
    return _times(site, f"/api/v1/jobs?{urlencode({'q': text, 'limit': PAGE})}", ROUNDS)


def _times(site: Web, path: str, rounds: int) -> float:
    took = []
    with Connection(site.port) as connection:
        message = request("GET", path, Authorization=f"Bearer {TOKEN}")
        for _ in range(rounds):
            start = time.perf_counter()
            status, body = connection.ask(message)
            took.append((time.perf_counter() - start) * 1e3)
            assert status == 200, body
    return median(took)


def _get(site: Web, path: str) -> Any:
    with Connection(site.port) as connection:
        status, body = connection.ask(request("GET", path, Authorization=f"Bearer {TOKEN}"))
    assert status == 200, body
    return json.loads(body)
