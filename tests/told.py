"""Brokers as their followers would note them, and jobs as they would mirror them, at a moment of the test's choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.config.brokers import Engine
from core.site import Site
from services import jobs_service
from services.brokers import standings
from services.brokers.model import QueueNow, ScheduleNow, Snapshot, Standing, WorkerNow
from services.job_changes import Change


def now_ms(site: Site) -> int:
    return round(site.clock() * 1000)


def stands(
    site: Site,
    broker: str = "rq",
    *,
    engine: Engine = "rq",
    queues: Sequence[QueueNow] = (),
    workers: Sequence[WorkerNow] = (),
    schedules: Sequence[ScheduleNow] = (),
    notes: Sequence[str] = (),
) -> None:
    """A broker that answered just now."""
    at_ms = now_ms(site)
    snapshot = Snapshot(
        broker=broker, engine=engine, at_ms=at_ms, queues=tuple(queues), workers=tuple(workers),
        schedules=tuple(schedules), notes=tuple(notes),
    )  # fmt: skip
    standings.note(site, Standing(broker=broker, engine=engine, discovered=True, at_ms=at_ms, snapshot=snapshot))


def fails(site: Site, why: str, broker: str = "rq", engine: Engine = "rq") -> None:
    """A broker that did not answer just now; what it said before stays."""
    standings.note(site, Standing(broker=broker, engine=engine, discovered=True, at_ms=now_ms(site), why=why))


def mirrors(site: Site, id: str, *, agent: str = "rq", engine: Engine = "rq", **fields: Any) -> None:
    """A job of an engine's, by the letters of `services.job_changes.Change`."""
    change = Change("put", a=agent, i=id, en=engine, **fields)
    jobs_service.apply(site, site.store.partition_of(agent), change)
