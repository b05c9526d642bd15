"""The analytics snapshot: what is derived from the counts of jobs, once in 30 s for the whole fleet.

It reads counters and indexes only, so it costs the same at any number of jobs.
"""

from __future__ import annotations

from dataclasses import dataclass

from core import keys
from core.site import Site
from core.times import rfc3339
from services import job_metrics_service, jobs_service, uploads_service
from services.job_rules import STATUSES
from services.jobs_service import AgentCounts

TTL_S = 30
MINUTES = 60
RATE_MINUTES = 5
TOP_AGENTS = 20


@dataclass(frozen=True)
class Minute:
    """What happened in the minute that began `at`."""

    at: str
    created: int
    completed: int
    failed: int


@dataclass(frozen=True)
class Agent:
    agent: str
    queued: int
    processing: int
    completed: int
    failed: int
    success_rate: float | None
    last_seen: str


@dataclass(frozen=True)
class Uploads:
    """The uploads that are listed, and the latest of them."""

    count: int
    last_name: str | None
    last_at: str | None


@dataclass(frozen=True)
class Snapshot:
    """Rates of success are percentages with two decimals, None where no job ended; durations are in seconds.

    `success_rate` is over the jobs that are kept; `_hour` says that the last 60 minutes count. `jobs_per_minute` counts jobs
    that ended, a mean over the last five whole minutes. `minutes` are the last hour's, oldest first, the present one last.
    `mean_duration_s` is over all jobs that were reported as they ended, imported ones are not.
    """

    taken_at: str
    total: int
    by_status: dict[str, int]
    success_rate: float | None
    success_rate_hour: float | None
    jobs_per_minute: float
    minutes: tuple[Minute, ...]
    mean_duration_s: float | None
    mean_duration_hour_s: float | None
    agents: tuple[Agent, ...]
    uploads: Uploads


def snapshot(site: Site) -> Snapshot:
    """The snapshot, up to 30 s old. Raises StoreError."""
    return site.cache.get_or_compute(keys.ANALYTICS, TTL_S, lambda: compute_snapshot(site), "analytics", Snapshot)


def compute_snapshot(site: Site) -> Snapshot:
    """A new snapshot. Raises StoreError."""
    now = site.clock()
    by_status = jobs_service.counts(site)
    hour = _minutes(site, int(now // 60))
    ended = job_metrics_service.finished(site)[0].values()
    completed, failed = sum(each.completed for each in hour), sum(each.failed for each in hour)
    recent = hour[-1 - RATE_MINUTES : -1]
    return Snapshot(
        taken_at=rfc3339(now),
        total=sum(by_status.values()),
        by_status={str(status): by_status[status] for status in STATUSES},
        success_rate=success_rate(by_status["completed"], by_status["failed"]),
        success_rate_hour=success_rate(completed, failed),
        jobs_per_minute=round(sum(each.completed + each.failed for each in recent) / RATE_MINUTES, 2),
        minutes=tuple(Minute(rfc3339(each.number * 60), each.created, each.completed, each.failed) for each in hour),
        mean_duration_s=_mean(sum(each.sum_s for each in ended), sum(each.outcomes.total() for each in ended)),
        mean_duration_hour_s=_mean(sum(each.duration_ms for each in hour) / 1000, completed + failed),
        agents=tuple(_agent(each) for each in jobs_service.agents(site, TOP_AGENTS)),
        uploads=_uploads(site),
    )


def success_rate(completed: float, failed: float) -> float | None:
    """In percent, two decimals; None where no job ended."""
    return round(100 * completed / (completed + failed), 2) if completed + failed else None


@dataclass(frozen=True)
class _Counted:
    """One minute's counters; `number` counts minutes since the epoch."""

    number: int
    created: int
    completed: int
    failed: int
    duration_ms: int


def _minutes(site: Site, last: int) -> list[_Counted]:
    numbers = range(last - MINUTES + 1, last + 1)
    with site.store.redis.pipeline(transaction=False) as pipeline:
        for number in numbers:
            for partition in range(site.store.partitions):
                pipeline.hmget(keys.MINUTE.at(partition, number), "created", "completed", "failed", "duration_ms")
        rows = pipeline.execute()
    width = site.store.partitions
    return [
        _Counted(
            number, *(sum(int(value or 0) for value in column) for column in zip(*rows[at : at + width], strict=True))
        )
        for number, at in zip(numbers, range(0, len(rows), width), strict=True)
    ]


def _mean(total: float, number: int) -> float | None:
    return round(total / number, 3) if number else None


def _agent(counts: AgentCounts) -> Agent:
    return Agent(
        counts.agent,
        counts.queued,
        counts.processing,
        counts.completed,
        counts.failed,
        success_rate(counts.completed, counts.failed),
        rfc3339(counts.last_seen_ms / 1000),
    )


def _uploads(site: Site) -> Uploads:
    last = next(iter(uploads_service.recent(site, 1)), None)
    return Uploads(
        site.store.redis.zcard(keys.UPLOADS.at()),
        last.name if last else None,
        rfc3339(last.started_at.timestamp()) if last else None,
    )
