"""How many jobs fit a search in all: the same answer for every page of it, whatever its size.

The store's indexes tell at once where one kind of them answers all; else, and in the archive, no more than MOST are counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa

from core import keys
from core.database import DatabaseError
from core.site import Site
from services import archive_alone, job_conditions, live_search
from services.archive_alone import End, floor_ms
from services.archive_schema import JOBS
from services.archive_search import Search
from services.job_conditions import GOING_ON
from services.job_list_archive import Archive
from services.job_list_model import Total
from services.job_rules import STATUSES, Status
from services.live_search import Conditions

T = TypeVar("T")

MOST = 1_000
KEPT_S = 5


def of_both(archive: Archive) -> Total:
    """Of what the store has and what the archive alone has. Raises redis.RedisError."""
    conditions = job_conditions.live(archive.query)
    indexed = live_search.find(archive.site, conditions, limit=1).total
    live, is_all = (indexed, True) if indexed is not None else _counted(archive, conditions)
    if not is_all:
        return Total(least=_round(live))
    held = None if archive.why else _archived(archive, STATUSES, floor_ms(archive.site))
    if held is None or not held.is_known:
        return Total(in_store=live)
    if not held.is_all:
        return Total(in_store=live, least=_round(live + len(held.numbers)))
    return Total(live + len(held.numbers), live)


def of_ended(archive: Archive) -> Total:
    """Of what ended, archived or not yet. Raises redis.RedisError."""
    if archive.why:
        return Total()
    fresh, left = archive.fresh()
    held = None if left else _archived(archive, GOING_ON, None)
    if held is None or not held.is_known:
        return Total()
    known = set(held.numbers)
    count = len(held.numbers) + sum(item.job.number not in known for _, item in fresh)
    return Total(count) if held.is_all else Total(least=_round(count))


def _round(least: int) -> int | None:
    """Whole thousands: that there are more than so many is all that is known."""
    return least // 1_000 * 1_000 or None


@dataclass(frozen=True, slots=True)
class _Held:
    """Numbers of archived jobs, those of the store where it has them; about MOST where that is not all of them; `is_known` is whether it
    could be told."""

    numbers: list[int]
    is_all: bool
    is_known: bool = True


def _kept(archive: Archive, what: str, compute: Callable[[], T], type_: type[T]) -> T:
    """What is counted costs more than a page, so it stands for some seconds, for all who look."""
    said = f"total {what} {archive.query}".encode()
    key = keys.ARCHIVE_FIGURES.at(0, hashlib.sha256(said).hexdigest()[:32])
    return archive.site.cache.get_or_compute(key, KEPT_S, compute, "job-totals", type_)


def _counted(archive: Archive, conditions: Conditions) -> tuple[int, bool]:
    return _kept(archive, "live", lambda: live_search.count(archive.site, conditions, MOST), tuple[int, bool])


def _archived(archive: Archive, but: tuple[Status, ...], below_ms: int | None) -> _Held | None:
    """Archived jobs that fit, without those that the store has in a status of `but`; None where the archive can't be asked.

    Raises redis.RedisError.
    """
    try:
        return _kept(archive, "archived", lambda: _sought(archive, but, below_ms), _Held)
    except DatabaseError as error:
        return _Held([], True) if error.bare else None


def _sought(archive: Archive, but: tuple[Status, ...], below_ms: int | None) -> _Held:
    site = archive.site
    filters = job_conditions.archived(archive.query, archive.now, below_ms)
    found, is_all = dict[int, End](), True
    if not filters or not site.database.is_begun:
        return _Held([], is_all)
    with site.database.read() as connection:
        for each in filters:
            places = Search(connection, site.database.kind, each).places(None, MOST + 1)
            if places and archive.query.state:
                return _Held([], False, is_known=False)  # Each that is found would have to be looked at.
            is_all &= len(places) <= MOST
            asked = sa.select(JOBS.c.key, JOBS.c.number, JOBS.c.agent, JOBS.c.id, JOBS.c.finished_ms)
            rows = connection.execute(asked.where(JOBS.c.key.in_([key for _, key in places])))
            found |= {key: End(*end) for key, *end in rows}
    return _Held(_without(site, list(found.values()), but), is_all)


def _without(site: Site, ended: Sequence[End], statuses: tuple[Status, ...]) -> list[int]:
    """The numbers of jobs that the store has in none of these statuses."""
    held = archive_alone.numbers(site, ended)
    stored = _stored(site, sorted({number for number in held if number is not None}), statuses)
    return [number or end.number for end, number in zip(ended, held, strict=True) if number not in stored]


def _stored(site: Site, numbers: list[int], statuses: tuple[Status, ...]) -> set[int]:
    if not numbers:
        return set()
    with site.store.redis.pipeline(transaction=False) as pipeline:
        for partition in range(site.store.partitions):
            for status in statuses:
                pipeline.zmscore(keys.STATUS.at(partition, status), [str(number) for number in numbers])
        scores: list[list[Any]] = pipeline.execute()
    return {number for seen in scores for number, score in zip(numbers, seen, strict=True) if score is not None}
