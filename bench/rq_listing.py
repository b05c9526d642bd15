"""rq-dashboard's listing of 50 jobs from an RQ queue, and the queue that it lists."""

from __future__ import annotations

import time
from itertools import islice
from statistics import median

import redis
from rq import Queue
from rq.job import JobStatus

from bench.load import Connection, request
from bench.processes import Web, plain, valkey
from bench.rows import Row

PATH = "/0/data/jobs/default/queued/50/asc/{page}.json"
TRACEBACK = (
    'Traceback (most recent call last):\n  File "app/mail.py", line 12, in send\nValueError: no such address: {}'
)


def run(jobs: int) -> list[Row]:
    with valkey() as url:
        enqueue(url, jobs)
        first, middle = pages_ms(url, jobs)
    return [
        Row(f"rq-dashboard, first 50 of {jobs:,}", first, "ms"),
        Row(f"rq-dashboard, middle 50 of {jobs:,}", middle, "ms"),
    ]


def pages_ms(url: str, jobs: int) -> tuple[float, float]:
    """How long rq-dashboard takes for the first and for the middle page of `jobs`."""
    with plain("rq_dashboard.app:create_app()", RQ_DASHBOARD_URL_PREFIX="/", REDIS_URL=url) as dashboard:
        return _ms(dashboard, 1, 20), _ms(dashboard, max(jobs // 100, 2), 1)


def enqueue(url: str, jobs: int) -> None:
    queue = Queue("default", connection=redis.Redis.from_url(url))
    for start in range(0, jobs, 5_000):
        queue.enqueue_many([
            Queue.prepare_data("time.sleep", args=(number,), description=f"Episode {number}: a title of a common length")
            for number in range(start, min(start + 5_000, jobs))
        ])  # fmt: skip


def fail(url: str, jobs: int) -> None:
    """So many that failed, as workers leave them."""
    queue = Queue("mail", connection=redis.Redis.from_url(url))
    for number in range(jobs):
        job = queue.enqueue("mail.send", number, description=f"Mail {number}: a title of a common length")
        queue.remove(job.id)
        job.started_at = job.ended_at = job.enqueued_at
        job.set_status(JobStatus.FAILED)
        job.save()
        job._handle_failure(TRACEBACK.format(number), pipeline=(pipeline := queue.connection.pipeline()))
        pipeline.execute()


def some(url: str) -> dict[str, object]:
    """What one of the jobs can be found by: its `id`, and the `number` of a failed one."""
    with redis.Redis.from_url(url, decode_responses=True) as connection:
        (id,) = islice(connection.lrange("rq:queue:default", 10, 10), 1)
    return {"id": id, "number": 7}


def _ms(web: Web, page: int, rounds: int) -> float:
    connection, message = Connection(web.port), request("GET", PATH.format(page=page))
    took = []
    for _ in range(rounds):
        start = time.perf_counter()
        status, _ = connection.ask(message)
        took.append((time.perf_counter() - start) * 1e3)
        assert status == 200, f"rq-dashboard answers {status}"
    return median(took)
