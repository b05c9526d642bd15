"""What Headway measures of itself, as prometheus-client's own objects, and the texts made of it.

A histogram whose buckets change gets a new name: processes of two versions add to the same series. A gauge's
`multiprocess_mode` says how those of several processes merge: `livesum`, `livemax` or `livemostrecent`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from flask import Flask
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics_core import Metric

from core import exposition, uptime
from core.instrument import Requests
from core.process_metrics import ProcessMetrics

if TYPE_CHECKING:
    from core.site import Site

disable_created_metrics()  # type: ignore[no-untyped-call]

PREFIX = "headway_"
REGISTRY = CollectorRegistry()

FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5)
"""Bounds in seconds of what is mostly a matter of milliseconds."""
REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    return Counter(PREFIX + name, meaning, labels, registry=REGISTRY)


DASHBOARD_REFRESH = _counter("dashboard_refresh_total", "Answers to polls of a panel, 304 included.", "panel")
HTMX_EVENTS = _counter("htmx_events_total", "Requests that htmx sent, by panel.", "panel")
CACHE_HITS = _counter("cache_hits_total", "Values that the cache had.", "cache")
CACHE_MISSES = _counter("cache_misses_total", "Values that the cache did not have.", "cache")
HTTP_REQUESTS = _counter("http_requests_total", "Requests answered, by route.", "method", "route", "status")
INGEST_UPDATES = _counter("ingest_updates_total", "Updates of jobs that came in, by what became of them.", "outcome")
LOG_LINES = _counter("log_lines_total", "Log lines stored.", "source", "level")
LOG_REJECTED = _counter("log_rejected_total", "Log lines that were not taken.", "reason")
LOG_DRAIN_FAULTS = _counter("log_drain_faults_total", "Deliveries of log drains with nothing stored.", "reason")
LOG_REDACTIONS = _counter("log_redactions_total", "Log lines in which something was put out of sight.")
ARCHIVE_JOBS = _counter("archive_jobs_total", "Finished jobs handed to the archive, by what became of them.", "outcome")
ARCHIVE_MISSED = _counter("archive_missed_total", "Finished jobs that were gone before they were archived.")
ARCHIVE_FAILURES = _counter("archive_failures_total", "Times that archiving failed and was put off.")
DUTY_FAILURES = _counter("duty_failures_total", "Runs of a duty that failed.", "duty")

HTTP_DURATION = Histogram(
    PREFIX + "http_request_duration_seconds", "Seconds until an answer began, by route.", ("method", "route"),
    buckets=REQUEST_BUCKETS, registry=REGISTRY,
)  # fmt: skip
REDIS_LATENCY = Histogram(
    PREFIX + "redis_latency_seconds", "Seconds of one round trip to the store.", buckets=FAST, registry=REGISTRY
)
UPTIME = Gauge(
    PREFIX + "uptime_seconds", "Seconds since Headway started.", registry=REGISTRY, multiprocess_mode="livemax"
)
UPTIME.set_function(uptime.seconds)
START_TIME = Gauge(
    PREFIX + "start_time_seconds",
    "When Headway started, since the epoch.",
    registry=REGISTRY,
    multiprocess_mode="livemin",
)
START_TIME.set(uptime.STARTED_AT)
STREAM_CLIENTS = Gauge(
    PREFIX + "stream_clients", "Open streams.", ("transport",), registry=REGISTRY, multiprocess_mode="livesum"
)
STREAM_CONNECTIONS = _counter("stream_connections_total", "Streams opened.", "transport")
STREAM_SENT = _counter("stream_events_sent_total", "Events handed to clients of streams.", "transport")
STREAM_DROPPED = _counter(
    "stream_events_dropped_total", "Events that clients who fell behind did not get.", "transport"
)
STREAM_READINGS = _counter(
    "stream_readings_total", "Present figures read for a stream, once for all of a process who listen.", "stream"
)
STREAM_LAG = Gauge(
    PREFIX + "stream_lag_seconds",
    "From the store to this process: how old the newest event was as it came.",
    registry=REGISTRY,
    multiprocess_mode="livemax",
)


REGISTRY.register(ProcessMetrics())


def install(app: Flask, site: Site, *sources: Callable[[Site], Iterable[Metric]]) -> None:
    """Count and time the app's requests. `sources` make metrics of what the store holds at each scrape."""
    site.fleet.sources[:] = [partial(source, site) for source in sources]
    app.wsgi_app = Requests(app.wsgi_app, HTTP_REQUESTS, HTTP_DURATION)  # type: ignore[method-assign]


def to_prometheus_format(site: Site | None = None, *, openmetrics: bool = False) -> str:
    """The text for a scrape: Prometheus 0.0.4, or OpenMetrics 1.0. Of the whole fleet; without a site, of this process."""
    if site is None:
        return exposition.render(REGISTRY.collect(), openmetrics=openmetrics)
    return exposition.text_of(site.fleet, openmetrics=openmetrics)


def to_dict(site: Site | None = None) -> dict[str, float | None]:
    """Every figure by its name without the prefix, summed over its labels; a histogram is its `_count` and `_sum`.

    `cache_hit_rate` is a percentage, None before the first look into the cache. Of the whole fleet, or of this process.
    """
    totals = site.fleet.figures().totals if site is not None else exposition.totals_of(REGISTRY)
    figures: dict[str, float | None] = {name.removeprefix(PREFIX): value for name, value in totals.items()}
    hits, misses = totals.get(f"{PREFIX}cache_hits_total", 0.0), totals.get(f"{PREFIX}cache_misses_total", 0.0)
    return figures | {"cache_hit_rate": hit_rate(hits, misses)}


def count_look(cache: str, *, is_hit: bool) -> None:
    """Count a look into the cache of this name."""
    # Both series begin together: where one is missing, Prometheus answers no rate of the two.
    hits, misses = CACHE_HITS.labels(cache=cache), CACHE_MISSES.labels(cache=cache)
    (hits if is_hit else misses).inc()


def hit_rate(hits: float, misses: float) -> float | None:
    """In percent, two decimals."""
    return round(100 * hits / (hits + misses), 2) if hits + misses else None
