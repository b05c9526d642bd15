from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Panel, View
from services import job_series_service


@dataclass(frozen=True)
class RatePoint:
    at: str
    success_rate: float | None


@dataclass(frozen=True)
class SuccessRate:
    """Completed out of those that ended, in percent; None where none ended. `lowest` is of the worst step."""

    range: str | None
    step_s: int
    ended: int
    success_rate: float | None
    lowest: float | None
    points: tuple[RatePoint, ...]


def data(site: Site, view: View) -> SuccessRate:
    series = job_series_service.series(site, view.window)
    return SuccessRate(
        series.range,
        series.step_s,
        ended=sum(point.completed + point.failed for point in series.points),
        success_rate=series.success_rate,
        lowest=min((point.success_rate for point in series.points if point.success_rate is not None), default=None),
        points=tuple(RatePoint(point.at, point.success_rate) for point in series.points),
    )


PANEL = Panel("success-rate", title="Success rate", every=5, data=data, windowed=True, chart="line", width=2, order=36)
