"""Celery's workers as pages show them: what they said of themselves, and what they answered when they were asked."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Literal

from services.brokers.celery_event_words import moment_ms
from services.brokers.celery_inspection import Told
from services.brokers.celery_presence import Presence, Presences
from services.brokers.celery_task import Task
from services.brokers.celery_tasks import Tasks
from services.brokers.model import WorkerNow

MOST_JOBS = 100
ASKED_KEPT_S = 90.0
"""A worker without heartbeats counts as there for so long after it answered."""


def workers(tasks: Tasks, presences: Presences, told: Mapping[str, Told], ahead_s: float) -> tuple[WorkerNow, ...]:
    """All that were heard of or answered. `ahead_s` is by how much our clock is ahead of the broker's."""
    now_s = time.time()
    at_work: dict[str, list[Task]] = {}
    for task in tasks.started.values():
        if task.worker is not None:
            at_work.setdefault(task.worker, []).append(task)
    answered = (
        name for name, one in told.items() if one.at_s > max(now_s - ASKED_KEPT_S, presences.left.get(name, 0.0))
    )
    names = sorted({*presences.by_name, *answered})
    return tuple(
        _worker(name, presences.by_name.get(name), told.get(name) or Told(), at_work.get(name, []), now_s, ahead_s)
        for name in names
    )


def only_queues(told: Mapping[str, Told], presences: Presences, since_s: float) -> dict[str, str]:
    """The queue of each worker that listens to no other, as it said itself since it was started, and since then."""
    return {
        name: one.queues[0][0]
        for name, one in told.items()
        if len(one.queues) == 1
        and (heard := presences.by_name.get(name)) is not None
        and one.queues_at_s >= max(heard.since_s, since_s)
    }


def listening(found: tuple[WorkerNow, ...]) -> dict[str, int] | None:
    """How many workers that live take from each queue; None where one of them did not say from which."""
    alive = [worker for worker in found if worker.state != "dead"]
    if any(not worker.queues for worker in alive):
        return None
    counts: dict[str, int] = {}
    for worker in alive:
        for queue in worker.queues:
            counts[queue] = counts.get(queue, 0) + 1
    return counts


def asked(found: tuple[WorkerNow, ...], told: Mapping[str, Told]) -> dict[str, float]:
    """The queues that workers which live take from, each with when one last said so, in seconds since the epoch."""
    when: dict[str, float] = {}
    for worker in found:
        said = told.get(worker.name)
        if worker.state == "dead" or said is None:
            continue
        for queue, _ in said.queues:
            when[queue] = max(when.get(queue, 0.0), said.queues_at_s)
    return when


def _worker(
    name: str, heard: Presence | None, told: Told, tasks: list[Task], now_s: float, ahead_s: float
) -> WorkerNow:
    active: dict[str, str | None] = {task.id: task.function for task in tasks}
    if heard is not None and heard.tells_tasks is not True:
        active |= {one["id"]: str(one.get("name", "")) for one in told.active if one["id"] not in active}
    ids = list(active)[:MOST_JOBS]
    number = heard.active if heard is not None and heard.active is not None else len(told.active)
    return WorkerNow(
        name=name,
        state=_state(heard, told, max(number, len(tasks)), now_s),
        queues=tuple(queue for queue, _ in told.queues),
        jobs=tuple(ids),
        functions=tuple(active[id] or "" for id in ids),
        heartbeat_ms=int((heard.heard_s if heard is not None else told.at_s) * 1000),
        born_ms=moment_ms(told.at_s - told.uptime_s) if told.uptime_s is not None else None,
        host=name.partition("@")[2] or None,
        pid=heard.pid if heard is not None else None,
        version=heard.version if heard is not None else None,
        succeeded=heard.succeeded if heard is not None and heard.tells_tasks else None,
        failed=heard.failed if heard is not None and heard.tells_tasks else None,
        pool=told.pool,
        concurrency=told.concurrency,
        active=max(number, len(tasks)),
        reserved=told.reserved,
        scheduled=told.scheduled,
        skew_s=round(heard.skew_s + ahead_s, 3) if heard is not None and heard.skew_s is not None else None,
        rate_limits=told.rate_limits,
        tells_tasks=heard.tells_tasks if heard is not None else None,
    )


def _state(heard: Presence | None, told: Told, active: int, now_s: float) -> Literal["busy", "idle", "dead"]:
    # A solo worker says nothing while it works.
    if heard is not None and heard.is_dead(now_s) and not (told.pool == "solo" and heard.is_online and active):
        return "dead"
    return "busy" if active else "idle"
