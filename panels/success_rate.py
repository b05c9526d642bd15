from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Line, Panel, View
from panels._charted import Charted, charted, span_of
from services import chart_source
from services.windows import Window


@dataclass(frozen=True)
class RatePoint:
    at: str
    success_rate: float | None


@dataclass(frozen=True, kw_only=True)
class SuccessRate(Charted):
    """Completed out of those that ended, in percent; None where none ended. `lowest` is of the worst step."""

    ended: int
    success_rate: float | None
    lowest: float | None
    points: tuple[RatePoint, ...]


def data(site: Site, view: View) -> SuccessRate:
    def read(window: Window) -> SuccessRate:
        jobs = chart_source.jobs(site, window)
        points = jobs.series.points
        return SuccessRate(
            **span_of(window),
            ended=sum(point.completed + point.failed for point in points),
            success_rate=jobs.series.success_rate,
            lowest=min((point.success_rate for point in points if point.success_rate is not None), default=None),
            points=tuple(RatePoint(point.at, point.success_rate) for point in points),
            source=jobs.source,
        )

    return charted(site, view, read)


PANEL = Panel(
    "success-rate",
    title="Success rate",
    every=5,
    data=data,
    page="both",
    windowed=True,
    lines=(Line("success_rate", "succeed", "%"),),
    chart="line",
    width=2,
    order=36,
)
