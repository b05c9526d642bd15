from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Line, Panel, View
from panels._charted import Charted, charted, span_of
from services import chart_source
from services.windows import Window


@dataclass(frozen=True)
class DepthPoint:
    at: str
    queued: float | None
    """On average over the step."""


@dataclass(frozen=True, kw_only=True)
class QueueDepth(Charted):
    """How many jobs were queued, from a look every five seconds. None where nobody looked."""

    average: float | None
    highest: int | None
    points: tuple[DepthPoint, ...]


def data(site: Site, view: View) -> QueueDepth:
    def read(window: Window) -> QueueDepth:
        jobs = chart_source.jobs(site, window)
        return QueueDepth(
            **span_of(window),
            average=jobs.series.queue_depth,
            highest=jobs.series.deepest,
            points=tuple(DepthPoint(point.at, point.queue_depth) for point in jobs.series.points),
            source=jobs.source,
        )

    return charted(site, view, read)


PANEL = Panel(
    "queue-depth",
    title="Queue depth",
    every=5,
    data=data,
    page="both",
    windowed=True,
    lines=(Line("queued", "queued", fill=True),),
    chart="line",
    width=2,
    order=38,
)
