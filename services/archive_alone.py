"""Which archived jobs the store has too, and up to when the archive may have some alone.

Retention lets go of the oldest ends first, so what ended before the store's oldest is in the archive alone. A store that was emptied, or
came back as it was a while ago, lacks newer ones besides, and whatever is told anew then has a new number there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from core import keys
from core.site import Site
from services.archive_schema import JOBS
from services.job_model import Job, from_record, to_ms

ALONE = "alone"
LOOKED_AT = 200
"""Of the newest ends so many are looked for in the store: one that came back as it was may have some of them."""


class End(NamedTuple):
    """An archived job, and when it ended in ms."""

    number: int
    agent: str
    id: str
    ended_ms: int


def floor_ms(site: Site) -> int | None:
    """What the archive alone has ended before; None where the store has no ended job. Raises redis.RedisError."""
    with site.store.redis.pipeline(transaction=False) as pipeline:
        pipeline.hget(keys.ARCHIVE.at(), ALONE)
        for partition in range(site.store.partitions):
            pipeline.zrange(keys.FINISHED.at(partition), 0, 0, withscores=True)
        alone, *oldest = pipeline.execute()
    # Of several jobs that ended in one millisecond some may be gone.
    ends = [int(found[0][1]) + 1 for found in oldest if found]
    return max(*ends, int(alone or 0)) if ends else None


def numbers(site: Site, ended: Sequence[End]) -> list[int | None]:
    """Under which number the store has each of these jobs, None where it has it no more. An id may have been given to a later job:
    under another number it is the same one only if the store's job ended then as well, now or in an earlier attempt.

    Raises redis.RedisError.
    """
    known = _known(site, ended)
    found = [known.get((end.agent, end.id)) for end in ended]
    anew = {end: number for end, number in zip(ended, found, strict=True) if number and number != end.number}
    others = _others(site, anew)
    return [None if end in others else number for end, number in zip(ended, found, strict=True)]


def jobs(site: Site, refs: Iterable[tuple[str, int | None]]) -> list[Job | None]:
    """The store's jobs by agent and number. Raises redis.RedisError."""
    asked = list(refs)
    if not any(number for _, number in asked):
        return [None] * len(asked)
    with site.store.raw.pipeline(transaction=False) as pipeline:
        for agent, number in asked:
            if number is not None:
                pipeline.get(keys.JOB.at(site.store.partition_of(agent), number))
        records = iter(pipeline.execute(raise_on_error=False))
    found = (None if number is None else from_record(number, next(records)) for _, number in asked)
    return [job if isinstance(job, Job) else None for job in found]


def note(site: Site) -> None:
    """Note up to when the store may lack jobs, if it lacks one of those that ended last. Raises DatabaseError, redis.RedisError."""
    newest = sa.select(JOBS.c.number, JOBS.c.agent, JOBS.c.id, JOBS.c.finished_ms)
    newest = newest.order_by(JOBS.c.finished_ms.desc(), JOBS.c.key.desc()).limit(LOOKED_AT)
    floor = floor_ms(site)
    with site.database.read(archiving=True) as connection:
        ended = [End(*row) for row in connection.execute(newest)]
    stored = numbers(site, ended)
    # One that is there under another number was told anew: others that are not may be older than it.
    lost = (end.ended_ms for end, number in zip(ended, stored, strict=True) if number != end.number)
    last = next(lost, None)
    if last is not None and last >= (floor or 0):
        site.store.redis.hset(keys.ARCHIVE.at(), ALONE, last + 1)


def _others(site: Site, anew: Mapping[End, int]) -> set[End]:
    """Those that the store's jobs of these numbers are not. Most are told by an index: records are read of the others alone."""
    if not anew:
        return set()
    with site.store.redis.pipeline(transaction=False) as pipeline:
        for partition in range(site.store.partitions):
            pipeline.zmscore(keys.FINISHED.at(partition), [str(number) for number in anew.values()])
        scores = pipeline.execute()
    # A number stands in one partition alone.
    left = [end for end, *ends in zip(anew, *scores, strict=True) if end.ended_ms not in ends]
    told = jobs(site, ((end.agent, anew[end]) for end in left))
    return {end for end, job in zip(left, told, strict=True) if job is None or end.ended_ms not in _earlier(job)}


def _earlier(job: Job) -> set[int]:
    """When earlier attempts ended, in ms."""
    return {to_ms(attempt.finished_at) for attempt in job.attempts if attempt.finished_at is not None}


def _known(site: Site, ended: Iterable[End]) -> dict[tuple[str, str], int]:
    """The numbers of the store's jobs by agent and id."""
    ids: dict[str, set[str]] = {}
    for end in ended:
        ids.setdefault(end.agent, set()).add(end.id)
    asked = [(agent, sorted(some)) for agent, some in ids.items()]
    with site.store.redis.pipeline(transaction=False) as pipeline:
        for agent, some in asked:
            pipeline.hmget(keys.IDS.at(site.store.partition_of(agent), agent), some)
        answers: list[list[Any]] = pipeline.execute()
    return {
        (agent, id): int(number)
        for (agent, some), held in zip(asked, answers, strict=True)
        for id, number in zip(some, held, strict=True)
        if number
    }
