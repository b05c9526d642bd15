"""What a queue's page tells of its jobs: those that wait, the last failures, and what each function takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from core import keys
from core.site import Site
from services import archive_alone, live_search
from services.brokers import actions, next_ones, possible
from services.brokers.deadline import in_time
from services.brokers.mirror_records import our_id
from services.brokers.model import BrokerError
from services.job_model import DamagedJob, Job, to_ms
from services.live_search import Conditions
from services.queue_figures import Times, times_of
from services.queues_service import Queue

WAITING = 10
ORDER_S = 1.0
"""So long a page waits for the order of a queue."""
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
    """Of those that Headway has. `waiting` are the next ones by their engine's own order (`is_in_order`), else those that came first;
    `why` is why that order could not be read just now. `failed` are those that ended last."""

    waiting: tuple[Job | DamagedJob, ...]
    failed: tuple[Job | DamagedJob, ...]
    is_in_order: bool = False
    why: str | None = None


def of(site: Site, queue: Queue) -> QueueJobs:
    """Asks the queue's broker, for ORDER_S at most, unless it is known to be away. Raises StoreError."""
    failed = live_search.find(site, _where(queue.agent, queue.name, *FAILURES), limit=FAILED_OF).items
    last = tuple(sorted(failed, key=_ended_s, reverse=True)[:FAILED])
    why = None
    try:
        if (ids := _next_ids(site, queue)) is not None:
            return QueueJobs(_known(site, queue.agent, ids), last, is_in_order=True)
    except BrokerError as fault:
        why = str(fault)
    first = live_search.find(site, _where(queue.agent, queue.name, "queued"), after=0, limit=WAITING).items[::-1]
    return QueueJobs(first, last, why=why)


def functions(site: Site, agent: str, queue: str) -> tuple[FunctionTimes, ...]:
    """Those of the last jobs that ended, with the most jobs first. Raises StoreError."""
    ended = live_search.find(site, _where(agent, queue, *ENDS), limit=ENDED).items
    return tuple(_functions(job for job in ended if isinstance(job, Job)))


def _next_ids(site: Site, queue: Queue) -> list[str] | None:
    """None where nobody can be asked. Raises BrokerError, StoreError."""
    broker = None if queue.is_old else actions.broker_of(site, queue.agent)
    if broker is None or not possible.keeps_lists(broker):
        return None
    name = actions.engines_name(site, queue.agent, queue.name)
    return in_time(lambda: next_ones.ids(broker, name, WAITING), ORDER_S)


def _known(site: Site, agent: str, ids: Sequence[str]) -> tuple[Job, ...]:
    """Those that Headway has of an engine's jobs, in the same order."""
    if not ids:
        return ()
    held = keys.IDS.at(site.store.partition_of(agent), agent)
    numbers: list[str | None] = site.store.redis.hmget(held, [our_id(id) for id in ids])  # type: ignore[assignment]
    jobs = archive_alone.jobs(site, ((agent, int(number)) for number in numbers if number))
    return tuple(job for job in jobs if job is not None)


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
