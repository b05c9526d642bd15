"""Retention: finished jobs go when they are too old or too many, in small steps, and not before they are archived.

While the archive is away, twice as many stay, for twice as long; beyond that, or where the store is full, they go as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core import migrations
from core.database import DatabaseError
from core.metrics import ARCHIVE_MISSED
from core.site import Site
from services import archive_service
from services.archive_writer import Mark
from services.job_calls import DAY_MS

STEP = 200
"""Jobs a step, so that no other caller of the store waits long for it."""
MOST_STEPS = 250
"""Steps a run and partition: what is left waits for the next run."""


@dataclass
class _Run:
    site: Site
    away: bool = False
    """The archive did not take what should go."""


def run(site: Site) -> int:
    """Remove what `HEADWAY_KEEP_DAYS` and `HEADWAY_KEEP_JOBS` no longer keep; how many jobs went. Raises redis.RedisError."""
    this = _Run(site)
    return sum(_retire(this, partition) for partition in range(site.store.partitions))


def _retire(this: _Run, partition: int) -> int:
    gone = 0
    for _ in range(MOST_STEPS):
        limits = _limits(this)
        due = _due(this.site, partition, limits)
        if due and not this.away and not _archived(this, partition, due):
            continue  # with other limits
        # Only in the states that are archived: what is said of a job meanwhile has to be archived first.
        sure = None if this.away else {number: updated for number, (_, updated) in due.items()}
        call = limits | ({} if sure is None else {"sure": sure})
        step, lost = this.site.store.scripts.run("retire", partition, call)
        ARCHIVE_MISSED.inc(lost)
        gone += step
        if step < STEP:
            break
    return gone


def _limits(this: _Run) -> dict[str, Any]:
    settings = this.site.settings
    times = 2 if this.away and not this.site.fleet.refused else 1
    return {
        "before": int(this.site.clock() * 1000) - times * settings.keep_days * DAY_MS,
        "keep": max(1, times * settings.keep_jobs // this.site.store.partitions),
        "most": STEP,
    }


def _due(site: Site, partition: int, limits: Mapping[str, Any]) -> dict[int, Mark]:
    return archive_service.marks_of(site.store.scripts.run("due", partition, limits))


def _archived(this: _Run, partition: int, due: Mapping[int, Mark]) -> bool:
    try:
        migrations.settle(this.site.database)
        archive_service.secure(this.site, partition, due)
    except DatabaseError:
        this.away = True
    return not this.away
