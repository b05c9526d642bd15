from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Line, Panel, View
from panels._charted import Charted, charted, span_of, steps_of
from panels._gauges import highest, mean, mean_of, most_of
from services import chart_source
from services.windows import Window

NAME = "redis_latency_ms"


@dataclass(frozen=True)
class LatencyPoint:
    at: str
    mean_ms: float | None
    highest_ms: float | None


@dataclass(frozen=True, kw_only=True)
class LatencyHistory(Charted):
    """One round trip to the store, as it was sampled; None where nobody did."""

    mean_ms: float | None
    highest_ms: float | None
    points: tuple[LatencyPoint, ...]


def data(site: Site, view: View) -> LatencyHistory:
    def read(window: Window) -> LatencyHistory:
        found = chart_source.readings(site, (NAME,), window)
        latency = found.of[NAME]
        return LatencyHistory(
            **span_of(window),
            mean_ms=mean(latency),
            highest_ms=highest(latency),
            points=tuple(LatencyPoint(at, mean_of(one), most_of(one)) for at, one in steps_of(window, latency)),
            source=found.source,
        )

    return charted(site, view, read)


PANEL = Panel(
    "redis-latency-history",
    title="Redis latency",
    note="ms",
    every=5,
    data=data,
    page="charts",
    windowed=True,
    lines=(
        Line("mean_ms", "on average", "ms", fill=True),
        Line("highest_ms", "highest", "ms", light=True, compared=False),
    ),
    chart="line",
    width=2,
    order=50,
)
