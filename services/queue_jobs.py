"""What a queue's page tells of its jobs: those that wait, the last failures, and what each function takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from core.site import Site
from services import live_search
from services.job_model import DamagedJob, Job, to_ms
from services.live_search import Conditions
from services.queue_figures import Times, times_of

WAITING = 10
FAILED = 5
FAILED_OF = 50
"""Failures are told by when they ended, of so many jobs that came last."""
ENDED = 200
"""The last jobs, from which it is told what functions take."""
FAILURES = ("failed", "stopped")
ENDS = ("finished", "completed", *FAILURES)


@dataclass(frozen=True, slots=True)
class FunctionTimes:
    """A function among the last ENDED jobs of a queue."""

    name: str
    jobs: int
    failed: int
    wait: Times
    run: Times


@dataclass(frozen=True, slots=True)
class QueueJobs:
    """Of those that Headway has. `waiting` are those that came first, in order; `failed` those that ended last."""

    waiting: tuple[Job | DamagedJob, ...]
    failed: tuple[Job | DamagedJob, ...]


def of(site: Site, agent: str, queue: str) -> QueueJobs:
    """Raises StoreError."""
    waiting = live_search.find(site, _where(agent, queue, "queued"), after=0, limit=WAITING).items[::-1]
    failed = live_search.find(site, _where(agent, queue, *FAILURES), limit=FAILED_OF).items
    return QueueJobs(waiting, tuple(sorted(failed, key=_ended_s, reverse=True)[:FAILED]))


def functions(site: Site, agent: str, queue: str) -> tuple[FunctionTimes, ...]:
    """Those of the last jobs that ended, with the most jobs first. Raises StoreError."""
    ended = live_search.find(site, _where(agent, queue, *ENDS), limit=ENDED).items
    return tuple(_functions(job for job in ended if isinstance(job, Job)))


def _where(agent: str, queue: str, *states: str) -> Conditions:
    return Conditions(agents=(agent,), queue=(queue,), states=states)


def _ended_s(job: Job | DamagedJob) -> float:
    return job.finished_at.timestamp() if isinstance(job, Job) and job.finished_at else 0.0


def _functions(jobs: Iterable[Job]) -> Iterator[FunctionTimes]:
    by_name = defaultdict[str, list[Job]](list)
    for job in jobs:
        if job.function:
            by_name[job.function].append(job)
    for name in sorted(by_name, key=lambda name: (-len(by_name[name]), name)):
        each = by_name[name]
        yield FunctionTimes(
            name,
            len(each),
            sum(job.status == "failed" for job in each),
            wait=_times(
                (job.enqueued_at or (job.created_at if job.attempt == 1 else None), job.started_at) for job in each
            ),
            run=_times((job.started_at, job.finished_at) for job in each),
        )


def _times(spans: Iterable[tuple[datetime | None, datetime | None]]) -> Times:
    return times_of(max(0, to_ms(end) - to_ms(begin)) for begin, end in spans if begin and end)
