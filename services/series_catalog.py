"""The series that are kept of Headway's figures over time: what each is called, its unit, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

from core.metrics import REQUEST_BUCKETS
from services.job_metrics_service import BOUNDS_S

Kind = Literal["gauge", "rate", "histogram"]

TILE, JOB_DURATION = "tile:", "job_duration:"
OTHER = "other"
MOST_TILES = 50
MOST_AGENTS = 20
"""Agents with a series of their own, those with the most ends; the others count under `other`."""


@dataclass(frozen=True)
class Series:
    """A rate is how much a counter grew in a second. Of a histogram, `bounds` are the upper ends of its buckets."""

    name: str
    unit: str
    kind: Kind
    meaning: str
    bounds: tuple[float, ...] = ()


SERIES = {
    each.name: each
    for each in (
        Series("redis_latency_ms", "ms", "gauge", "One round trip to the store, the median of three."),
        Series("cache_hits", "per second", "rate", "Values that the cache had."),
        Series("cache_misses", "per second", "rate", "Values that the cache did not have."),
        Series("requests", "per second", "rate", "Requests answered."),
        Series("request_errors", "per second", "rate", "Requests answered with a status from 500 on."),
        Series("request_duration", "s", "histogram", "Seconds until an answer began.", (*REQUEST_BUCKETS, inf)),
        Series("dashboard_refreshes", "per second", "rate", "Answers to polls of a panel."),
        Series("htmx_events", "per second", "rate", "Requests that htmx sent."),
        Series("jobs_queued", "jobs", "gauge", "Jobs that wait."),
        Series("jobs_processing", "jobs", "gauge", "Jobs at work."),
        Series(
            "longest_wait_s", "s", "gauge", "How long the first of the waiting jobs has waited; 0 where none waits."
        ),
        Series("agents_busy", "agents", "gauge", "Agents with a job at work, of the 100 that were seen last."),
        Series("workers", "workers", "gauge", "Live workers of RQ and Celery, of the brokers that answer."),
        Series("workers_busy", "workers", "gauge", "Those of them that work on a job."),
        Series("cpu_percent", "%", "gauge", "How busy the processors are of the machine that runs the duties."),
        Series("memory_percent", "%", "gauge", "How much of that machine's memory is taken."),
        Series("load1", "processes", "gauge", "That machine's load, a mean over a minute."),
        Series("open_streams", "streams", "gauge", "Open streams of all processes."),
        Series("stream_events", "per second", "rate", "Events handed to clients of streams."),
        Series("ingest_updates", "per second", "rate", "Updates of jobs that came in."),
        Series("log_lines", "per second", "rate", "Log lines stored."),
        Series("archive_behind", "jobs", "gauge", "Finished jobs that are not archived yet, at most."),
        Series("notifications_pending", "notifications", "gauge", "Notifications that wait to be sent."),
    )
}
"""Those that are always kept, by name."""

_DURATIONS = tuple(float(bound) for bound in BOUNDS_S)


def of(name: str) -> Series:
    """What a series tells: one of `SERIES`, `tile:ID`, `job_duration:AGENT`. Raises KeyError for another name."""
    if name.startswith(TILE):
        return Series(name, "", "gauge", f"The value of the tile {name.removeprefix(TILE)}.")
    if name.startswith(JOB_DURATION):
        agent = name.removeprefix(JOB_DURATION)
        return Series(name, "s", "histogram", f"Seconds from start to end of the jobs of {agent}.", _DURATIONS)
    return SERIES[name]
