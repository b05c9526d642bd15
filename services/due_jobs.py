"""Jobs that are to begin at a time, soonest first, by their index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core import keys
from core.site import Site
from services.job_model import Job, from_record


@dataclass(frozen=True, slots=True)
class DueJobs:
    """The soonest, and how many there are."""

    jobs: tuple[Job, ...]
    total: int


def soonest(site: Site, limit: int) -> DueJobs:
    """Raises StoreError."""
    total, due = 0, list[tuple[float, int, int]]()
    for partition in range(site.store.partitions):
        with site.store.raw.pipeline(transaction=False) as pipeline:
            pipeline.zcard(keys.DUE.at(partition))
            pipeline.zrange(keys.DUE.at(partition), 0, limit - 1, withscores=True)
            card, found = pipeline.execute()
        total += card
        due += [(at, int(number), partition) for number, at in found]
    due = sorted(due)[:limit]
    with site.store.raw.pipeline(transaction=False) as pipeline:
        for _, number, partition in due:
            pipeline.get(keys.JOB.at(partition, number))
        records: Any = pipeline.execute(raise_on_error=False)
    jobs = (from_record(number, record) for (_, number, _), record in zip(due, records, strict=True))
    return DueJobs(tuple(job for job in jobs if isinstance(job, Job)), total)
