"""How Headway itself is doing: the headline figures with their trends, and the health of its parts."""

from __future__ import annotations

from dataclasses import dataclass

from core.metrics import hit_rate
from core.site import Site
from core.times import rfc3339
from services import history_service
from services.history_service import Sample, p99
from services.system_health import Health, faults, health
from services.trends import Trend, trends

__all__ = ["Health", "Pulse", "Trend", "faults", "health", "pulse"]


@dataclass(frozen=True)
class Pulse:
    """The headline figures of the whole fleet. Rates are percentages; None where nothing was counted yet."""

    uptime_hours: float
    total_requests: int
    requests_per_second: float | None
    redis_latency_ms: float
    redis_latency_p99_ms: float
    """Over the last ten minutes."""
    cache_hit_rate: float | None
    cache_hits_total: int
    cache_misses_total: int
    dashboard_refresh_total: int
    htmx_events_total: int
    started_at: str
    timestamp: str
    uptime_trend: Trend
    requests_trend: Trend
    latency_trend: Trend
    hit_rate_trend: Trend


def pulse(site: Site) -> Pulse:
    """The headline figures now, each with its trend. Raises StoreError."""
    kept = history_service.samples(site)
    now = site.clock()
    latency_ms = history_service.latency_ms(site, kept, now)
    totals = site.fleet.figures().totals

    def total(name: str) -> int:
        return int(totals.get(f"headway_{name}", 0))

    hits, misses = total("cache_hits_total"), total("cache_misses_total")
    started_at = min(totals.get("headway_start_time_seconds", now), now)
    moved = trends(kept, Sample(now, latency_ms, total("http_requests_total"), hits, misses), started_at)
    return Pulse(
        uptime_hours=round((now - started_at) / 3600, 2),
        total_requests=total("http_requests_total"),
        requests_per_second=moved.requests_per_second,
        redis_latency_ms=latency_ms,
        redis_latency_p99_ms=p99([*(each.latency_ms for each in kept), latency_ms]),
        cache_hit_rate=hit_rate(hits, misses),
        cache_hits_total=hits,
        cache_misses_total=misses,
        dashboard_refresh_total=total("dashboard_refresh_total"),
        htmx_events_total=total("htmx_events_total"),
        started_at=rfc3339(started_at),
        timestamp=rfc3339(now),
        uptime_trend=moved.uptime,
        requests_trend=moved.requests,
        latency_trend=moved.latency,
        hit_rate_trend=moved.hit_rate,
    )
