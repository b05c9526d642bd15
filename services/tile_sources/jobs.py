"""Figures of Headway's own jobs, from the indexes and counters that pages show too."""

from __future__ import annotations

from core.config.sources import Jobs
from services import job_series_service, jobs_service, waiting_jobs
from services.analytics_service import success_rate
from services.job_rules import STATUSES
from services.tile_sources.reading import Context


def read(source: Jobs, context: Context) -> int | float | None:
    """The figure; None for a rate or a time where no job ended. Raises StoreError."""
    site, figure = context.site, source.figure
    if figure == "jobs_per_minute":
        return job_series_service.recent(site).jobs_per_minute
    if figure == "p50":
        return job_series_service.recent(site).took.p50
    if figure == "p95":
        return job_series_service.recent(site).took.p95
    if figure == "oldest":
        return waiting_jobs.longest_wait_s(site, source.agent)
    counts = jobs_service.counts(site, source.agent)
    if figure == "success_rate":
        return success_rate(counts["completed"], counts["failed"])
    if figure == "total":
        return sum(counts.values())
    return counts[STATUSES[STATUSES.index(figure)]]
