from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Panel, View
from services import job_series_service


@dataclass(frozen=True)
class DepthPoint:
    at: str
    queued: float | None
    """On average over the step."""


@dataclass(frozen=True)
class QueueDepth:
    """How many jobs were queued, from a look every five seconds. None where nobody looked."""

    range: str | None
    step_s: int
    average: float | None
    highest: int | None
    points: tuple[DepthPoint, ...]


def data(site: Site, view: View) -> QueueDepth:
    series = job_series_service.series(site, view.window)
    return QueueDepth(
        series.range,
        series.step_s,
        average=series.queue_depth,
        highest=series.deepest,
        points=tuple(DepthPoint(point.at, point.queue_depth) for point in series.points),
    )


PANEL = Panel("queue-depth", title="Queue depth", every=5, data=data, windowed=True, chart="line", width=2, order=38)
