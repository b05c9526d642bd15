"""The demo's Celery app: deliveries that are tried again until they are whole, and a table that beat tidies."""

from __future__ import annotations

import os
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from celery import Celery, Task

from demo import material, works
from demo.tally import Orders

BROKER = os.environ["DEMO_QUEUES"].replace("unix://", "redis+socket://", 1)

app = Celery("demo", broker=BROKER, backend=BROKER)
app.conf.update(
    task_send_sent_event=True,
    worker_send_task_events=True,
    task_track_started=True,
    result_extended=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    task_default_queue="deliveries",
    task_create_missing_queues=True,
    broker_connection_retry_on_startup=True,
    beat_schedule={"tidy-every-minute": {"task": "demo.tidy", "schedule": 60.0}},
)


class Told:
    """Says how far a task is as Celery users do: as a state of its own."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def stage(self, name: str, percent: float, message: str = "") -> None:
        self.progress(percent, message or name)

    def progress(self, percent: float, message: str = "") -> None:
        self._task.update_state(state="PROGRESS", meta={"current": percent, "total": 100, "message": message})

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def took_in(self, orders: Orders) -> None:
        pass


@app.task(name="demo.take_in", bind=True, max_retries=2)
def take_in(self: Task, seed: int) -> Any:
    """Take in a delivery, and again where its sender was still writing. Raises EOFError where it never finishes."""
    with tempfile.TemporaryDirectory(prefix="headway-demo-") as place:
        delivery = material.Delivery(Path(place), random.Random(seed))
        for _ in range(self.request.retries):
            delivery.time_passes()
        try:
            return works.intake(Told(self), delivery.path, Path(place))
        except works.FAULTS as fault:
            raise self.retry(exc=fault, countdown=4) from fault


@app.task(name="demo.remind")
def remind(customer: str) -> str:
    time.sleep(0.3)
    return f"{customer} was reminded"


@app.task(name="demo.tidy")
def tidy() -> int:
    """What beat adds every minute."""
    found = sum(1 for _ in Path(tempfile.gettempdir()).glob("headway-demo-*"))
    time.sleep(0.5)
    return found
