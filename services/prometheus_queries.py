"""PromQL for what charts show, of metrics that Headway's own `/metrics` has.

Each query is evaluated at the end of a step and tells of the time before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.config.model import PrometheusServer
from services.prometheus_query import matchers, text
from services.series_catalog import JOB_DURATION, OTHER, TILE
from services.windows import Window

SCRAPES = 4
"""A step looks back over so many scrapes at least: with fewer than two, nothing can be seen to grow."""
LOOKS = 24
"""So often within a step several series are added up, where it is their sum that has a smallest and a largest."""
JOBS = "jobs"
"""Not a series of the catalog: what became of jobs."""

GROWING: Mapping[str, tuple[str, str]] = {
    "requests": ("headway_http_requests_total", ""),
    "request_errors": ("headway_http_requests_total", 'status=~"5.."'),
    "dashboard_refreshes": ("headway_dashboard_refresh_total", ""),
    "htmx_events": ("headway_htmx_events_total", ""),
    "cache_hits": ("headway_cache_hits_total", ""),
    "cache_misses": ("headway_cache_misses_total", ""),
    "stream_events": ("headway_stream_events_sent_total", ""),
    "ingest_updates": ("headway_ingest_updates_total", ""),
    "log_lines": ("headway_log_lines_total", ""),
}
"""Counters, and the labels that count: told as what they grew by in a step."""

STANDING: Mapping[str, tuple[str, str]] = {
    "notifications_pending": ("headway_notifications_pending", ""),
}
"""Gauges of one series."""

ADDED: Mapping[str, tuple[str, str, str]] = {
    "jobs_processing": ("sum({})", "headway_jobs", 'status="processing"'),
    "jobs_queued": ("sum({})", "headway_queue_depth", ""),
    "longest_wait_s": ("max({})", "headway_queue_oldest_seconds", ""),
    "agents_busy": ("sum({} > bool 0)", "headway_jobs", 'status="processing"'),
    "workers": ("sum({})", "headway_workers", 'state!="dead"'),
    "workers_busy": ("sum({})", "headway_workers", 'state="busy"'),
    "open_streams": ("sum({})", "headway_stream_clients", ""),
}
"""Gauges of several series, and what is made of them."""

LATENCY = "redis_latency_ms"
REQUESTS = "request_duration"
KINDS = ("min", "max", "avg", "last")
"""What is asked of each gauge: pieces `NAME:KIND`."""


RECORDED = {
    "requests": ("", "headway:http_requests:rate5m"),
    "request_errors": ("", "headway:http_request_errors:rate5m"),
    REQUESTS: (" by (le) ", "headway:http_request_duration_seconds_bucket:rate5m"),
}
"""What has a series a route, which takes long to add up over months, and the record of deploy/prometheus/headway.rules.yml that
has it ready."""
RECORDED_FROM_S = 3600
"""Shorter steps are asked of the counters: a record looks back over five minutes."""


@dataclass(frozen=True)
class Step:
    """What a step of a window is asked with: the site's labels, and how long it looks back."""

    match: tuple[str, ...]
    width_s: int
    look_s: int

    @classmethod
    def of(cls, window: Window, server: PrometheusServer) -> Step:
        width_s = max(window.step_s, round(SCRAPES * server.every))
        return cls(matchers(server.match), width_s, max(width_s // LOOKS, round(server.every), 1))

    def series(self, metric: str, *labels: str) -> str:
        return f"{metric}{{{','.join(filter(None, (*self.match, *labels)))}}}"

    def grown(self, metric: str, *labels: str, by: str = "") -> str:
        """By how much counters grew. Nothing where there was none, 0 where `labels` were never seen among those there were."""
        grown = f"sum{by}(increase({self.series(metric, *labels)}[{self.width_s}s]))"
        return f"({grown} or 0 * {self.grown(metric)})" if any(labels) and not by else grown


def pieces(name: str, step: Step) -> dict[str, str]:
    """The PromQL of each piece of a series of the catalog or of JOBS; none for what `/metrics` does not tell.

    What grew is a piece NAME; a gauge's are `NAME:min` and so on; a histogram's are NAME with the label `le`, and `NAME:sum`.
    """
    if name in GROWING:
        return {name: step.grown(*GROWING[name])}
    if name in STANDING:
        return _standing(name, step.series(*STANDING[name]), step)
    if name in ADDED:
        made, *series = ADDED[name]
        return _added(name, made.format(step.series(*series)), step)
    if name == LATENCY:
        took, times = (step.grown(f"headway_redis_latency_seconds_{part}") for part in ("sum", "count"))
        return {f"{name}:avg": f"1000 * {took} / {times}"}
    if name == REQUESTS:
        return _histogram(name, "headway_http_request_duration_seconds", step)
    if name == JOBS:
        return _jobs(step)
    if name.startswith(TILE):
        return _standing(name, step.series("headway_tile", f"tile={text(name.removeprefix(TILE))}"), step)
    if known(name):
        return _histogram(name, "headway_job_duration_seconds", step, f"agent={text(name.removeprefix(JOB_DURATION))}")
    return {}


def recorded(name: str, step: Step) -> dict[str, str]:
    """The PromQL of those pieces that rules record, as rates a second."""
    if name not in RECORDED or step.width_s < RECORDED_FROM_S:
        return {}
    by, record = RECORDED[name]
    return {name: f"sum{by}(avg_over_time({step.series(record)}[{step.width_s}s]))"}


def known(name: str) -> bool:
    """Whether `/metrics` tells of a series. What counts under `other` are other agents there than here."""
    return name in (*GROWING, *STANDING, *ADDED, LATENCY, REQUESTS, JOBS) or (
        name.startswith((TILE, JOB_DURATION)) and name != JOB_DURATION + OTHER
    )


def counts(piece: str) -> bool:
    """Whether a piece tells what happened in the time that a step looks back over."""
    return "\t" in piece or piece.endswith((":completed", ":failed", ":created", ":sum"))


def _standing(name: str, series: str, step: Step) -> dict[str, str]:
    # A site that moved has two series within a step, of which avg and max make one.
    return {
        f"{name}:{kind}": f"{'max' if kind == 'last' else kind}({kind}_over_time({series}[{step.width_s}s]))"
        for kind in KINDS
    }


def _added(name: str, sum_: str, step: Step) -> dict[str, str]:
    return {f"{name}:{kind}": f"{kind}_over_time({sum_}[{step.width_s}s:{step.look_s}s])" for kind in KINDS}


def _histogram(name: str, metric: str, step: Step, *labels: str) -> dict[str, str]:
    buckets = step.grown(f"{metric}_bucket", *labels, by=" by (le) ")
    return {name: buckets, f"{name}:sum": step.grown(f"{metric}_sum", *labels)}


def _jobs(step: Step) -> dict[str, str]:
    made, *series = ADDED["jobs_queued"]
    depth = _added("jobs", made.format(step.series(*series)), step)
    return {
        "jobs:completed": step.grown("headway_jobs_finished_total", 'outcome="completed"'),
        "jobs:failed": step.grown("headway_jobs_finished_total", 'outcome="failed"'),
        "jobs:created": step.grown("headway_ingest_updates_total", 'outcome="created"'),
        **_histogram(JOBS, "headway_job_duration_seconds", step),
        **{piece: depth[piece] for piece in ("jobs:avg", "jobs:max")},
    }
