"""One process samples every figure of Headway, for all: the last ten minutes of a few, and the series of all of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from core import keys
from core.metrics import REDIS_LATENCY, hit_rate
from core.site import Site
from core.times import rfc3339
from services import job_series_service, series_sampling

EVERY_S = 5
KEPT = 120
POINTS = 20
PINGS = 3


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """The figures of one moment: `at` in seconds since the epoch, totals of the whole fleet up to then."""

    at: float
    latency_ms: float
    requests: float
    hits: float
    misses: float

    @property
    def hit_rate(self) -> float | None:
        return hit_rate(self.hits, self.misses)


@dataclass(frozen=True)
class LatencyPoint:
    at: str
    """RFC 3339."""
    latency_ms: float


@dataclass(frozen=True)
class LatencySeries:
    """The last points, oldest first. `latest`, `p99` and `max` are over all that is kept, None where nothing is yet."""

    points: tuple[LatencyPoint, ...]
    latest_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    kept_s: int = EVERY_S * KEPT


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Sample).decode


def measure_latency_ms(site: Site) -> float:
    """The median of a few round trips to the store, which also count in the metric. Raises StoreError."""
    taken = [site.store.latency_ms() for _ in range(PINGS)]
    for latency_ms in taken:
        REDIS_LATENCY.observe(latency_ms / 1000)
    return round(statistics.median(taken), 3)


def latency_ms(site: Site, kept: Sequence[Sample], now: float) -> float:
    """The store's latency: the last sample's while it is fresh, so that the page tells one figure, else measured now.

    Raises StoreError.
    """
    if kept and 0 <= now - kept[-1].at < 2 * EVERY_S:
        return kept[-1].latency_ms
    return measure_latency_ms(site)


def sample(site: Site) -> None:
    """Take one sample of everything and forget the oldest; a duty. Raises StoreError."""
    latency_ms = measure_latency_ms(site)
    figures = site.fleet.figures()
    totals = figures.totals
    taken = Sample(
        site.clock(),
        latency_ms,
        totals.get("headway_http_requests_total", 0.0),
        totals.get("headway_cache_hits_total", 0.0),
        totals.get("headway_cache_misses_total", 0.0),
    )
    with site.store.redis.pipeline(transaction=True) as pipeline:
        pipeline.rpush(keys.SAMPLES.at(), _encode(taken))
        pipeline.ltrim(keys.SAMPLES.at(), -KEPT, -1)
        pipeline.execute()
    job_series_service.note_depth(site, taken.at)
    series_sampling.take(site, taken.at, latency_ms, figures)


def samples(site: Site) -> tuple[Sample, ...]:
    """All that is kept, oldest first; what can't be read is passed over. Raises StoreError."""
    kept: list[Sample] = []
    for text in site.store.redis.lrange(keys.SAMPLES.at(), -KEPT, -1):
        try:
            kept.append(_decode(text))
        except msgspec.DecodeError:
            continue
    return tuple(kept)


def redis_latency(site: Site) -> LatencySeries:
    """The store's latency over time. Raises StoreError."""
    kept = samples(site)
    if not kept:
        return LatencySeries((), None, None, None)
    latencies_ms = [each.latency_ms for each in kept]
    return LatencySeries(
        points=tuple(LatencyPoint(rfc3339(each.at), each.latency_ms) for each in kept[-POINTS:]),
        latest_ms=kept[-1].latency_ms,
        p99_ms=p99(latencies_ms),
        max_ms=max(latencies_ms),
    )


def p99(values: Sequence[float]) -> float:
    """The value that 99 of 100 do not exceed, by nearest rank. `values` are not empty."""
    return sorted(values)[math.ceil(0.99 * len(values)) - 1]
