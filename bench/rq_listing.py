"""rq-dashboard's listing of 50 jobs from an RQ queue."""

from __future__ import annotations

import time
from statistics import median

import redis
from rq import Queue

from bench.load import Connection, request
from bench.processes import Web, plain, valkey
from bench.rows import Row

PATH = "/0/data/jobs/default/queued/50/asc/{page}.json"


def run(jobs: int) -> list[Row]:
    with valkey() as url:
        _enqueue(url, jobs)
        with plain("rq_dashboard.app:create_app()", RQ_DASHBOARD_URL_PREFIX="/", REDIS_URL=url) as dashboard:
            first = _ms(dashboard, 1, 20)
            middle = _ms(dashboard, jobs // 100, 1)
    return [
        Row(f"rq-dashboard, first 50 of {jobs:,}", first, "ms"),
        Row(f"rq-dashboard, middle 50 of {jobs:,}", middle, "ms"),
    ]


def _enqueue(url: str, jobs: int) -> None:
    queue = Queue("default", connection=redis.Redis.from_url(url))
    for start in range(0, jobs, 5_000):
        queue.enqueue_many([
            Queue.prepare_data("time.sleep", args=(number,), description=f"Episode {number}: a title of a common length")
            for number in range(start, min(start + 5_000, jobs))
        ])  # fmt: skip


def _ms(web: Web, page: int, rounds: int) -> float:
    connection, message = Connection(web.port), request("GET", PATH.format(page=page))
    took = []
    for _ in range(rounds):
        start = time.perf_counter()
        status, _ = connection.ask(message)
        took.append((time.perf_counter() - start) * 1e3)
        assert status == 200, f"rq-dashboard answers {status}"
    return median(took)
