from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Panel
from services import analytics_service, broker_states, jobs_service
from services.analytics_service import Agent

TOP = 5


@dataclass(frozen=True)
class JobsOverview:
    """Counts by status are live; rates and agents are the analytics snapshot's, taken at `snapshot_at`."""

    queued: int
    processing: int
    completed: int
    failed: int
    canceled: int
    """Ended on purpose, in `total` and in no rate."""
    total: int
    success_rate: float | None
    """Completed out of those that ended, in percent with two decimals."""
    jobs_per_minute: float
    mean_duration_s: float | None
    agents: tuple[Agent, ...]
    snapshot_at: str
    is_known: bool = True
    """False where there are no jobs and a broker is away, whose jobs nobody knows."""


def data(site: Site) -> JobsOverview:
    counts = jobs_service.counts(site)
    snapshot = analytics_service.snapshot(site)
    return JobsOverview(
        queued=counts["queued"],
        processing=counts["processing"],
        completed=counts["completed"],
        failed=counts["failed"],
        canceled=counts["canceled"],
        total=sum(counts.values()),
        success_rate=analytics_service.success_rate(counts["completed"], counts["failed"]),
        jobs_per_minute=snapshot.jobs_per_minute,
        mean_duration_s=snapshot.mean_duration_hour_s,
        agents=snapshot.agents[:TOP],
        snapshot_at=snapshot.taken_at,
        is_known=any(counts.values()) or not broker_states.away(site),
    )


PANEL = Panel("jobs", title="Jobs", every=5, data=data, width=2, live=True, order=30)
