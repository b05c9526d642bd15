"""What the archive has of an upload's rows: the store has let go of these jobs and would take them for new ones."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from core import keys
from core.database import DatabaseError
from core.site import Site
from services import archived_jobs
from services.job_model import to_ms
from services.job_rules import HistoryRow

PAUSE_S = 10.0
"""So long an archive that did not answer is not asked again: a file should not wait for it batch after batch."""


class Past:
    """What one upload learns of the archive. `unasked` says why rows were taken without asking it, where some were."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._resumes = 0.0
        self.unasked: str | None = None

    def without(self, jobs: Sequence[tuple[int, HistoryRow]]) -> Sequence[tuple[int, HistoryRow]]:
        """Those of the (line, row)s that the store has, or not even the archive; all where that can't be asked.

        Raises redis.RedisError.
        """
        ends = self._ends([job for _, job in jobs])
        if not ends:
            return jobs
        return [(line, job) for line, job in jobs if not _is_among(ends.get((job.agent, job.id), ()), job)]

    def _ends(self, jobs: Sequence[HistoryRow]) -> archived_jobs.Ends:
        if not (jobs and self._site.database.is_begun):
            return {}
        refs = _not_in_store(self._site, {(job.agent, job.id) for job in jobs})
        if refs and time.monotonic() >= self._resumes:
            try:
                return archived_jobs.ends(self._site.database, refs)
            except DatabaseError as fault:
                self._resumes = time.monotonic() + PAUSE_S
                if not fault.bare:  # without tables it has nothing
                    self.unasked = str(fault)
        return {}


def _not_in_store(site: Site, refs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    ids: dict[str, list[str]] = {}
    for agent, id in refs:
        ids.setdefault(agent, []).append(id)
    with site.store.raw.pipeline(transaction=False) as pipeline:
        for agent, some in ids.items():
            pipeline.hmget(keys.IDS.at(site.store.partition_of(agent), agent), some)
        answers = pipeline.execute()
    return {
        (agent, id)
        for (agent, some), numbers in zip(ids.items(), answers, strict=True)
        for id, number in zip(some, numbers, strict=True)
        if number is None
    }


def _is_among(ends: Sequence[tuple[int, int]], job: HistoryRow) -> bool:
    """Whether one of these ended jobs is this one, or a later state of it: not where this one began only after their end."""
    told = job.started_at or job.finished_at or job.created_at
    at_ms = 0 if told is None else to_ms(told)
    return any(attempt >= job.attempt and finished_ms >= at_ms for attempt, finished_ms in ends)
