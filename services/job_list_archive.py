"""What the archive has of a list of jobs, without what the store has too, and what ended and is not in the archive yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from core import keys
from core.database import DatabaseError
from core.site import Site
from services import archive_alone, archive_search, job_conditions
from services.archive_alone import End
from services.archive_filter import Filter
from services.archive_rows import ArchivedJob
from services.archive_schema import JOBS
from services.archive_search import Place
from services.job_list_model import FRESH, Item
from services.job_model import Job, from_record
from services.job_query import JobQuery

MOST_ROUNDS = 4
"""Further looks into the archive for one page, where what it finds is in the store too."""
MOST_FRESH = 200
"""Jobs that ended and are not archived yet, at most so many of which are looked at."""

Placed = tuple[Place, Item]


@dataclass
class Archive:
    """The archive as one page of a list asks it. `why` is why it can't be asked, None as long as it can."""

    site: Site
    query: JobQuery
    now: float
    why: DatabaseError | None = field(default=None, init=False)

    def rows(
        self,
        limit: int,
        *,
        before: Place | None = None,
        after: Place | None = None,
        below_ms: int | None = None,
        with_stored: bool = False,
    ) -> tuple[list[Placed], Place | None]:
        """Jobs of a page, the newest end first, and the place to go on from, None where there is no more. Of what the store has too:
        nothing, or, where `with_stored`, the store's state of it, if that is what the query names. Raises redis.RedisError."""
        filters = job_conditions.archived(self.query, self.now, below_ms)
        if not filters or not self.site.database.is_begun or self.why:
            return [], None
        found, onward = list[Placed](), before if after is None else after
        for _ in range(MOST_ROUNDS):
            place = {"before": onward} if after is None else {"after": onward}
            try:
                some, more = _merged(self.site, filters, limit - len(found), **place)
            except DatabaseError as fault:
                self.why = fault
                return found, None
            kept = self._kept(some, with_stored)
            found = found + kept if after is None else kept + found
            if not more:
                return found, None
            onward = some[-1][0] if after is None else some[0][0]
            if len(found) >= limit:
                break
        return found, onward

    def _kept(self, rows: Sequence[tuple[Place, ArchivedJob]], with_stored: bool) -> list[Placed]:
        kept = list[Placed]()
        ended = [End(row.job.number, row.job.agent, row.job.id, place[0]) for place, row in rows]
        held = archive_alone.numbers(self.site, ended)
        is_read = with_stored or bool(self.query.id)
        read = ((end.agent, number if is_read else None) for end, number in zip(ended, held, strict=True))
        for (place, row), number, job in zip(rows, held, archive_alone.jobs(self.site, read), strict=True):
            if number is None or (is_read and not self._is_meant(job)):
                if not self.query.state or job_conditions.holds(self.query, row.job):
                    kept.append((place, Item(row.job, row)))
            elif job and with_stored and job_conditions.holds(self.query, job):
                kept.append((place, Item(job)))
        return kept

    def _is_meant(self, job: Job | None) -> bool:
        """Whether the store's job can be read and is one that the query's ids name: it may have got another number than is asked for."""
        ids = self.query.id
        return job is not None and (not ids or any(job_conditions.is_named(job, ref) for ref in ids))

    def fresh(self) -> tuple[list[Placed], int]:
        """Jobs that fit and ended lately, of which the archive may know nothing yet, the newest end first; and how many such jobs were
        not looked at. Raises redis.RedisError."""
        found, left = list[Placed](), 0
        for partition in range(self.site.store.partitions):
            behind, since_ms, _ = self.site.store.scripts.run("behind", partition, {})
            since = "-inf" if self.why or not since_ms else str(since_ms)
            if not behind and not self.why:
                continue
            jobs = newest_ended(self.site, partition, since)
            left += max(0, behind - len(jobs))
            for job in jobs:
                if job_conditions.fits(self.query, job, self.now):
                    found.append(((job_conditions.ended_ms(job), FRESH + job.number), Item(job)))
        return sorted(found, key=lambda one: one[0], reverse=True), left

    def highest_key(self) -> int:
        """0 where there is none, or nobody knows."""
        try:
            with self.site.database.read() as connection:
                return int(connection.execute(sa.select(sa.func.max(JOBS.c.key))).scalar() or 0)
        except DatabaseError:
            return 0


def newest_ended(site: Site, partition: int, since: str) -> list[Job]:
    """The jobs of a partition that ended last, MOST_FRESH at most, from a time in ms on."""
    finished = keys.FINISHED.at(partition)
    numbers: Any = site.store.raw.zrevrangebyscore(finished, "+inf", since, start=0, num=MOST_FRESH)
    if not numbers:
        return []
    records: Any = site.store.raw.mget([keys.JOB.at(partition, int(number)) for number in numbers])
    jobs = (from_record(int(number), record) for number, record in zip(numbers, records, strict=True))
    return [job for job in jobs if isinstance(job, Job)]


def _merged(
    site: Site, filters: Sequence[Filter], limit: int, before: Place | None = None, after: Place | None = None
) -> tuple[list[tuple[Place, ArchivedJob]], bool]:
    """A page of what any of the filters finds, each job once, the newest end first; whether there is more. Raises DatabaseError."""
    found, more = dict[Place, ArchivedJob](), False
    for each in filters:
        page = archive_search.page(site, each, limit=limit, before=before, after=after)
        found |= {(job_conditions.ended_ms(row.job), row.key): row for row in page.items}
        more |= (page.newer if after is not None else page.older) is not None
    ordered = sorted(found.items(), reverse=True)
    cut = ordered[-limit:] if after is not None else ordered[:limit]
    return cut, more or len(cut) < len(ordered)
