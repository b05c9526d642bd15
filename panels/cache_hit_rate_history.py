from __future__ import annotations

from dataclasses import dataclass

from core.metrics import hit_rate
from core.site import Site
from panels import Line, Panel, View
from panels._charted import Charted, charted, span_of, steps_of
from panels._gauges import total
from services import chart_source
from services.series_service import Reading
from services.windows import Window

HITS, MISSES = "cache_hits", "cache_misses"


@dataclass(frozen=True)
class RatePoint:
    at: str
    hit_rate: float | None


@dataclass(frozen=True, kw_only=True)
class HitRateHistory(Charted):
    """How many of the looks into the cache found something, in percent; None where nobody looked."""

    hit_rate: float | None
    looks: int | None
    """None where nobody counted them."""
    lowest: float | None
    points: tuple[RatePoint, ...]


def data(site: Site, view: View) -> HitRateHistory:
    def read(window: Window) -> HitRateHistory:
        found = chart_source.readings(site, (HITS, MISSES), window)
        hits, misses = found.of[HITS], found.of[MISSES]
        rates = [_rate(*each) for each in zip(hits, misses, strict=True)]
        counted = [total(each, window) for each in (hits, misses)]
        known = [each for each in counted if each is not None]
        return HitRateHistory(
            **span_of(window),
            hit_rate=hit_rate(*(each or 0 for each in counted)),
            looks=sum(known) if known else None,
            lowest=min((rate for rate in rates if rate is not None), default=None),
            points=tuple(RatePoint(at, rate) for at, rate in steps_of(window, rates)),
            source=found.source,
        )

    return charted(site, view, read)


def _rate(hits: Reading | None, misses: Reading | None) -> float | None:
    return hit_rate(hits.mean if hits else 0.0, misses.mean if misses else 0.0)


PANEL = Panel(
    "cache-hit-rate-history",
    title="Cache hit rate",
    every=5,
    data=data,
    page="charts",
    windowed=True,
    lines=(Line("hit_rate", "hits", "%"),),
    chart="line",
    width=2,
    order=52,
)
