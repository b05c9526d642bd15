from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Line, Panel, View
from panels._charted import Charted, charted, span_of
from services import chart_source
from services.job_series_service import Point
from services.windows import Window


@dataclass(frozen=True)
class EndedPoint:
    """Jobs that ended, a minute, in the step that began `at`."""

    at: str
    completed: float
    failed: float
    ended: float


@dataclass(frozen=True, kw_only=True)
class JobsPerMinute(Charted):
    """`completed` and `failed` count the jobs of the whole span; `most` ended in a minute of its busiest step."""

    completed: int
    failed: int
    most: float
    points: tuple[EndedPoint, ...]


def data(site: Site, view: View) -> JobsPerMinute:
    def read(window: Window) -> JobsPerMinute:
        jobs = chart_source.jobs(site, window)
        points = jobs.series.points
        return JobsPerMinute(
            **span_of(window),
            completed=sum(point.completed for point in points),
            failed=sum(point.failed for point in points),
            most=max(point.jobs_per_minute for point in points),
            points=tuple(_ended(point) for point in points),
            source=jobs.source,
        )

    return charted(site, view, read)


def _ended(point: Point) -> EndedPoint:
    failed = point.jobs_per_minute * (100 - (point.success_rate or 0)) / 100
    return EndedPoint(point.at, round(point.jobs_per_minute - failed, 3), round(failed, 3), point.jobs_per_minute)


PANEL = Panel(
    "jobs-per-minute",
    title="Jobs per minute",
    every=5,
    data=data,
    page="both",
    windowed=True,
    lines=(
        Line("completed", "completed", compared=False),
        Line("failed", "failed", ink="bad", compared=False),
        Line("ended", "ended", only_before=True),
    ),
    chart="bars",
    width=2,
    order=32,
)
