"""What should worry whoever looks at a queue or a worker, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from core.config.brokers import Engine
from services.alert_words import span
from services.brokers.model import QueueNow, WorkerNow

Kind = Literal["no_worker", "dead", "heartbeat", "clock"]

SKEW_S = 5.0
"""Clocks are hardly ever nearer to one another than a second or two."""
SILENT_S = 90.0
"""Celery's workers give a sign every other second, RQ's every half minute while they work on a job."""
IDLE_RQ_SILENT_S = 480.0
"""One of RQ that waits for jobs gives a sign every 405 s, unless it was told otherwise."""


@dataclass(frozen=True, slots=True)
class Concern:
    """`words` are a sentence without its full stop: "120 jobs wait and no worker listens"."""

    kind: Kind
    words: str


def of_queue(queue: QueueNow) -> tuple[Concern, ...]:
    if queue.workers == 0 and queue.depth and not queue.paused:
        jobs = "1 job waits" if queue.depth == 1 else f"{queue.depth:,} jobs wait"
        return (Concern("no_worker", f"{jobs} and no worker listens"),)
    return ()


def of_worker(worker: WorkerNow, engine: Engine, now_ms: float) -> tuple[Concern, ...]:
    """`now_ms` is when its broker was read."""
    return tuple(_of_worker(worker, engine, now_ms))


def _of_worker(worker: WorkerNow, engine: Engine, now_ms: float) -> Iterator[Concern]:
    silent_s = None if worker.heartbeat_ms is None else max(0.0, (now_ms - worker.heartbeat_ms) / 1000)
    last = "it gave no sign for long" if silent_s is None else f"its last heartbeat was {span(silent_s)} ago"
    is_idle_rq = engine == "rq" and worker.state == "idle"
    if worker.state == "dead":
        yield Concern("dead", last)
    elif silent_s is not None and silent_s > (IDLE_RQ_SILENT_S if is_idle_rq else SILENT_S):
        yield Concern("heartbeat", last)
    if worker.skew_s is not None and abs(worker.skew_s) >= SKEW_S:
        side = "ahead" if worker.skew_s > 0 else "behind"
        yield Concern("clock", f"its clock is {span(abs(worker.skew_s))} {side}")
