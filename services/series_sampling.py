"""Where the figures of each series come from: one sample of all of them, as the duty `history` takes it."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from core import series
from core.fleet import Figures
from core.metrics import PREFIX
from core.site import Site
from services import (
    archive_standing,
    broker_states,
    job_metrics_service,
    jobs_service,
    notifications_service,
    series_store,
    system_health,
    tiles_service,
    waiting_jobs,
)
from services.job_metrics_service import Finished
from services.machine_service import Machine
from services.series_catalog import JOB_DURATION, MOST_AGENTS, MOST_TILES, OTHER, SERIES, TILE
from services.series_store import Sample, Totals

COUNTERS = {
    "cache_hits": "cache_hits",
    "cache_misses": "cache_misses",
    "requests": "http_requests",
    "dashboard_refreshes": "dashboard_refresh",
    "htmx_events": "htmx_events",
    "stream_events": "stream_events_sent",
    "ingest_updates": "ingest_updates",
    "log_lines": "log_lines",
}
"""The counter of each rate that is a sum over all labels."""
AGENTS_LOOKED_AT = 100
REQUESTS, DURATION = f"{PREFIX}http_requests", f"{PREFIX}http_request_duration_seconds"

_machine = Machine()


def take(site: Site, at: float, latency_ms: float, figures: Figures) -> None:
    """Sample every series. Raises StoreError."""
    sample = Sample(at, gauges={"redis_latency_ms": latency_ms})
    _jobs(site, sample)
    _workers(site, sample)
    _system(site, sample)
    _tiles(site, sample)
    _durations(site, sample)
    if figures.away is None:  # else they are of this process alone, and would seem to grow by all of them later
        _fleet(figures, sample)
    series_store.write(site, sample)


def _jobs(site: Site, sample: Sample) -> None:
    counts = jobs_service.counts(site)
    busy = sum(agent.processing > 0 for agent in jobs_service.agents(site, AGENTS_LOOKED_AT))
    sample.gauges |= {
        "jobs_queued": waiting_jobs.depth(site),
        "jobs_processing": counts["processing"],
        "longest_wait_s": waiting_jobs.longest_wait_s(site) or 0.0,
        "agents_busy": busy,
    }


def _workers(site: Site, sample: Sample) -> None:
    """Nothing where no broker answers: none is known to be gone then."""
    told = [
        broker.snapshot.workers for broker in broker_states.brokers(site) if broker.snapshot and not broker.state.why
    ]
    if told:
        states = [worker.state for workers in told for worker in workers if worker.state != "dead"]
        sample.gauges |= {"workers": len(states), "workers_busy": states.count("busy")}


def _system(site: Site, sample: Sample) -> None:
    load = _machine.load()
    figures = {"cpu_percent": load.cpu_percent, "memory_percent": load.memory_percent, "load1": load.load1}
    sample.gauges |= {name: value for name, value in figures.items() if value is not None}
    sample.gauges["open_streams"] = system_health.open_streams(site)
    sample.gauges["archive_behind"] = archive_standing.standing(site).behind
    sample.gauges["notifications_pending"] = notifications_service.counts(site).pending


def _tiles(site: Site, sample: Sample) -> None:
    for tile in tiles_service.tiles(site, points=0)[:MOST_TILES]:
        if tile.value is not None and tile.unavailable is None:
            sample.gauges[TILE + tile.id] = float(tile.value)


def _durations(site: Site, sample: Sample) -> None:
    finished, _ = job_metrics_service.finished(site)
    rest = finished.pop(OTHER, Finished())
    ranked = sorted(finished, key=lambda agent: (-finished[agent].outcomes.total(), agent))
    for agent in ranked[MOST_AGENTS:]:
        rest.buckets += finished[agent].buckets
        rest.sum_s += finished[agent].sum_s
    for agent in ranked[:MOST_AGENTS]:
        # As long as there are no others, none of these can have been counted among them.
        sample.histograms[JOB_DURATION + agent] = _totals(finished[agent], is_whole=not rest.buckets)
    if rest.buckets:
        # Whoever comes among those with the most ends, or leaves them, takes what it had from the others, or brings it.
        sample.histograms[JOB_DURATION + OTHER] = _totals(rest, of="\t".join(sorted(ranked[:MOST_AGENTS])))


def _totals(finished: Finished, of: str = "", *, is_whole: bool = False) -> Totals:
    buckets = tuple(finished.buckets[bound] for bound in job_metrics_service.BOUNDS_S)
    return Totals(buckets, finished.sum_s, of, is_whole)


def _fleet(figures: Figures, sample: Sample) -> None:
    totals = figures.totals
    sample.rates |= {name: totals.get(f"{PREFIX}{counter}_total", 0.0) for name, counter in COUNTERS.items()}
    errors, buckets = 0.0, defaultdict[float, float](float)
    for name, value in figures.values.items():
        each = series.parse(name)
        if each.family == REQUESTS and each.labels.get("status", "").startswith("5"):
            errors += value
        elif each.family == DURATION and each.suffix == "_bucket":
            buckets[float(each.labels["le"])] += value
    sample.rates["request_errors"] = errors
    upto = [0.0, *(buckets[bound] for bound in SERIES["request_duration"].bounds)]
    within = tuple(max(high - low, 0.0) for low, high in pairwise(upto))
    sample.histograms["request_duration"] = Totals(within, totals.get(f"{DURATION}_sum", 0.0))
