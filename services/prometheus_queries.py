"""PromQL for what charts show, of metrics that Headway's own `/metrics` has.

Each query is evaluated at the end of a step and tells of the time before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.config.model import PrometheusServer
from services.prometheus_query import matchers, text
from services.windows import Window

SCRAPES = 4
"""A step looks back over so many scrapes at least: with fewer than two, nothing can be seen to grow."""
LOOKS = 24
"""So often within a step several series are added up, where it is their sum that has a smallest and a largest."""
AGENT, TILE, JOBS = "job_duration:", "tile:", "jobs"
JOBS_OF = "jobs:"

GROWING: Mapping[str, tuple[str, str]] = {
    "requests": ("headway_http_requests_total", ""),
    "request_errors": ("headway_http_requests_total", 'status=~"5.."'),
    "cache_hits": ("headway_cache_hits_total", ""),
    "cache_misses": ("headway_cache_misses_total", ""),
    "stream_events": ("headway_stream_events_sent_total", ""),
    "ingest_updates": ("headway_ingest_updates_total", ""),
    "log_lines": ("headway_log_lines_total", ""),
}
"""Counters, and the labels that count: told as what they grew by in a step."""

STANDING: Mapping[str, tuple[str, str]] = {
    "longest_wait_s": ("headway_queue_oldest_seconds", 'queue="reported"'),
    "jobs_queued": ("headway_queue_depth", 'queue="reported"'),
}
"""Gauges of one series."""

ADDED: Mapping[str, tuple[str, str, str]] = {
    "jobs_processing": ("sum({})", "headway_jobs", 'status="processing"'),
    "agents_busy": ("sum({} > bool 0)", "headway_jobs", 'status="processing"'),
    "open_streams": ("sum({})", "headway_stream_clients", ""),
}
"""Gauges of several series, and what is made of them."""

LATENCY = "redis_latency_ms"
REQUESTS = "request_duration"
KINDS = ("min", "max", "avg", "last")
"""What is asked of each gauge: pieces `NAME:KIND`."""


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
    """The PromQL of each piece of a series, none for what `/metrics` does not tell.

    What grew is a piece NAME; a gauge's are `NAME:min` and so on; a histogram's is NAME with the label `le`; those of `jobs`
    and of `jobs:AGENT` are what `Jobs` says.
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
        return {name: step.grown("headway_http_request_duration_seconds_bucket", by=" by (le) ")}
    if name.startswith(AGENT):
        return {name: _took(step, name.removeprefix(AGENT))}
    if name.startswith(TILE):
        return _standing(name, step.series("headway_tile", f"tile={text(name.removeprefix(TILE))}"), step)
    if name == JOBS or name.startswith(JOBS_OF):
        return _jobs(name, step, None if name == JOBS else name.removeprefix(JOBS_OF))
    return {}


def counts(piece: str) -> bool:
    """Whether a piece is a count of what happened in the time that a step looks back over."""
    return "\t" in piece or piece.endswith((":completed", ":failed", ":created", ":sum", ":count"))


def _standing(name: str, series: str, step: Step) -> dict[str, str]:
    # A site that moved has two series within a step, of which avg and max make one.
    return {
        f"{name}:{kind}": f"{'max' if kind == 'last' else kind}({kind}_over_time({series}[{step.width_s}s]))"
        for kind in KINDS
    }


def _added(name: str, sum_: str, step: Step) -> dict[str, str]:
    return {f"{name}:{kind}": f"{kind}_over_time({sum_}[{step.width_s}s:{step.look_s}s])" for kind in KINDS}


def _took(step: Step, agent: str | None) -> str:
    labels = () if agent is None else (f"agent={text(agent)}",)
    return step.grown("headway_job_duration_seconds_bucket", *labels, by=" by (le) ")


def _jobs(name: str, step: Step, agent: str | None) -> dict[str, str]:
    labels = () if agent is None else (f"agent={text(agent)}",)
    finished, took = "headway_jobs_finished_total", "headway_job_duration_seconds"
    parts = {outcome: step.grown(finished, f'outcome="{outcome}"', *labels) for outcome in ("completed", "failed")}
    parts |= {part: step.grown(f"{took}_{part}", *labels) for part in ("sum", "count")}
    if agent is None:
        parts["created"] = step.grown("headway_ingest_updates_total", 'outcome="created"')
        depth = step.series(*STANDING["jobs_queued"])
        parts |= {kind: f"{kind}({kind}_over_time({depth}[{step.width_s}s]))" for kind in ("avg", "max")}
    return {f"{name}:{part}": query for part, query in parts.items()} | {name: _took(step, agent)}
