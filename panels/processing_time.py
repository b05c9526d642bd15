from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Panel, View
from services import job_series_service


@dataclass(frozen=True)
class TimePoint:
    at: str
    p50_s: float | None
    p95_s: float | None


@dataclass(frozen=True)
class ProcessingTime:
    """How long the jobs took that ended, from start to end; None where none did. Percentiles are right within 5 %."""

    range: str | None
    step_s: int
    p50_s: float | None
    p95_s: float | None
    mean_s: float | None
    points: tuple[TimePoint, ...]


def data(site: Site, view: View) -> ProcessingTime:
    series = job_series_service.series(site, view.window)
    return ProcessingTime(
        series.range,
        series.step_s,
        series.took.p50,
        series.took.p95,
        series.took.mean,
        tuple(TimePoint(point.at, point.took.p50, point.took.p95) for point in series.points),
    )


PANEL = Panel(
    "processing-time", title="Processing time", every=5, data=data, windowed=True, chart="line", width=2, order=34
)
