from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Panel, View
from services import job_series_service
from services.job_series_service import Point


@dataclass(frozen=True)
class EndedPoint:
    """Jobs that ended, a minute, in the step that began `at`."""

    at: str
    completed: float
    failed: float


@dataclass(frozen=True)
class JobsPerMinute:
    """`completed` and `failed` count the jobs of the whole range; `most` ended in a minute of its busiest step."""

    range: str | None
    step_s: int
    completed: int
    failed: int
    most: float
    points: tuple[EndedPoint, ...]


def data(site: Site, view: View) -> JobsPerMinute:
    series = job_series_service.series(site, view.window)
    return JobsPerMinute(
        series.range,
        series.step_s,
        completed=sum(point.completed for point in series.points),
        failed=sum(point.failed for point in series.points),
        most=max(point.jobs_per_minute for point in series.points),
        points=tuple(_ended(point) for point in series.points),
    )


def _ended(point: Point) -> EndedPoint:
    failed = point.jobs_per_minute * (100 - (point.success_rate or 0)) / 100
    return EndedPoint(point.at, round(point.jobs_per_minute - failed, 3), round(failed, 3))


PANEL = Panel(
    "jobs-per-minute", title="Jobs per minute", every=5, data=data, windowed=True, chart="bars", width=2, order=32
)
