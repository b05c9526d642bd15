"""How brokers stand, noted as their followers do it: for tests of those who read it."""

from __future__ import annotations

from typing import Any

from core.site import Site
from services.brokers import standings
from services.brokers.model import QueueNow, Snapshot, Standing, WorkerNow


def note(
    site: Site,
    broker: str = "rq",
    *queues: QueueNow,
    why: str | None = None,
    workers: tuple[WorkerNow, ...] = (),
    is_new: bool = False,
) -> None:
    """With `why` it can't be read now, and what was read of it before stands."""
    now_ms = int(site.clock() * 1000)
    snapshot = Snapshot(broker=broker, engine="rq", at_ms=now_ms, queues=queues, workers=workers, is_new=is_new)
    standings.note(
        site,
        Standing(
            broker=broker, engine="rq", discovered=True, at_ms=now_ms, why=why, snapshot=None if why else snapshot
        ),
    )


def queue(site: Site, name: str, depth: int, *, waits_s: float | None = None, **told: Any) -> QueueNow:
    oldest = None if waits_s is None else int((site.clock() - waits_s) * 1000)
    return QueueNow(name=name, counts={"queued": depth, "started": 1}, oldest_ms=oldest, **told)
