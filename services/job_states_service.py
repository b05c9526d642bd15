"""Jobs as they stand, together with the position in the event streams at which they stood so: who gets both and then what
comes after that position knows all."""

from __future__ import annotations

from typing import Any

from core import keys, positions
from core.positions import START, Id, Position
from core.site import Site
from services import jobs_service
from services.job_changes import JobRef
from services.job_model import DamagedJob, Job, from_record

MOST = 500
"""Jobs at work, and of those that ended last."""


def one(site: Site, number: int) -> tuple[Job | DamagedJob | None, Position | None]:
    """A job, None where there is none, and the position of its reading. Raises StoreError."""
    partition = JobRef(number=number).partition(site.store)
    with site.store.raw.pipeline(transaction=True) as pipeline:
        pipeline.xrevrange(keys.EVENTS.at(partition), count=1)
        pipeline.get(keys.JOB.at(partition, number))
        last, record = pipeline.execute(raise_on_error=False)
    if isinstance(record, bytes) and isinstance(last, list):
        return from_record(number, record), _position(site, partition, _id(last))
    return jobs_service.get(site, JobRef(number=number)), site.bus.position


def present(site: Site) -> tuple[list[Job], Position | None]:
    """The newest jobs at work and those that ended last, oldest first. What came while they were read may be in them and
    come after the position, too. Raises StoreError."""
    position: list[Id] = []
    ended: list[tuple[float, int, int]] = []
    for partition in range(site.store.partitions):
        position.append(_last(site, partition))
        found: Any = site.store.redis.zrange(keys.FINISHED.at(partition), 0, MOST - 1, desc=True, withscores=True)
        ended += [(at, partition, int(number)) for number, at in found]
    working = [job for s in ("queued", "processing") for job in jobs_service.page(site, status=s, limit=MOST).items]
    with site.store.raw.pipeline(transaction=False) as pipeline:
        newest = sorted(ended, reverse=True)[:MOST]
        for _, partition, number in newest:
            pipeline.get(keys.JOB.at(partition, number))
        records = pipeline.execute(raise_on_error=False)
    jobs = [*working, *(from_record(number, record) for (_, _, number), record in zip(newest, records, strict=True))]
    whole = [job for job in jobs if isinstance(job, Job)]
    return sorted(whole, key=lambda job: job.updated_at), tuple(position)


def _id(last: Any) -> Id:
    return positions.id_of(last[0][0]) if last else START


def _position(site: Site, partition: int, at: Id) -> Position:
    """Where the bus stands, but for one partition; before it began, where the store does."""
    here = site.bus.position or tuple(_last(site, one) for one in range(site.store.partitions))
    return (*here[:partition], at, *here[partition + 1 :])


def _last(site: Site, partition: int) -> Id:
    return _id(site.store.raw.xrevrange(keys.EVENTS.at(partition), count=1))
