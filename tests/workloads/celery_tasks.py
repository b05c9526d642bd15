"""The Celery app of the tests. Its broker and result backend come from the environment: BROKER and BACKEND, and their OPTIONS as JSON."""

from __future__ import annotations

import json
import os
from typing import Any

import redis
from celery import Celery, Task

BROKER = os.environ["BROKER"]
BACKEND = os.environ.get("BACKEND", BROKER)
OPTIONS = json.loads(os.environ.get("OPTIONS", "{}"))
STORE = os.environ.get("GATES", "")
"""Where gates stand: a Redis."""

app = Celery("shop", broker=BROKER, backend=BACKEND)
app.conf.update(
    broker_transport_options=OPTIONS,
    result_backend_transport_options=OPTIONS,
    task_track_started=True,
    task_send_sent_event=True,
    result_extended=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    task_default_queue="celery",
    task_create_missing_queues=True,
    redbeat_redis_url=STORE,
    beat_schedule={"tidy": {"task": "shop.add", "schedule": 3600.0, "args": (1, 2)}},
)


class OrderError(Exception):
    pass


def _gates() -> redis.Redis:
    return redis.Redis.from_url(STORE, socket_timeout=None)  # who waits at a gate waits long


@app.task(name="shop.add")
def add(a: int, b: int) -> int:
    return a + b


@app.task(name="shop.say")
def say(**what: Any) -> dict[str, Any]:
    return what


@app.task(name="shop.fail")
def fail(why: str = "out of stock") -> None:
    raise OrderError(why)


@app.task(name="shop.retry", bind=True, max_retries=5)
def retry(self: Task, times: int, countdown: float = 0.0) -> str:
    """Asks for another attempt that often, then ends well."""
    if self.request.retries < times:
        raise self.retry(exc=OrderError(f"attempt {self.request.retries + 1} failed"), countdown=countdown)
    return f"went well at attempt {self.request.retries + 1}"


@app.task(name="shop.steps", bind=True)
def steps(self: Task, count: int, gate: str = "") -> int:
    """Goes on step by step and says so as a state of its own; with a gate, each step waits until somebody pushed to that list."""
    gates = _gates() if gate else None
    for step in range(1, count + 1):
        if gates is not None:
            gates.blpop([gate], timeout=60)
        self.update_state(state="PROGRESS", meta={"current": step, "total": count})
    if gates is not None:
        gates.blpop([gate], timeout=60)
    return count


@app.task(name="shop.hold")
def hold(gate: str, seconds: float = 60) -> str:
    """At work until somebody pushes to the list `gate`."""
    return "let go" if _gates().blpop([gate], timeout=seconds) else "nobody came"
