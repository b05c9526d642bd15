from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.site import Site
from core.times import rfc3339
from panels import Panel, View, _heat
from services import heat_service
from services.heat_service import Column, DurationClass


@dataclass(frozen=True)
class DurationHeat:
    """How long the jobs took that ended in each column of the span, by classes of durations, shortest first."""

    range: str | None
    starts_at: str
    ends_at: str
    step_s: int
    """Of a column."""
    jobs: int
    most: int
    """Jobs of the fullest cell."""
    classes: tuple[DurationClass, ...]
    columns: tuple[Column, ...]

    @property
    def cells(self) -> Iterator[_heat.Cell]:
        return _heat.cells(self.columns, self.classes, self.most)

    @property
    def shades(self) -> list[_heat.Shade]:
        return _heat.shades(self.most)

    @property
    def names(self) -> list[str]:
        """What its classes are called."""
        return [_heat.says(each) for each in self.classes]

    @property
    def rows(self) -> Iterator[tuple[Column, str]]:
        """The columns with jobs, newest first, each with the query that finds them in the history."""
        return ((column, _heat.query(column)) for column in reversed(self.columns) if any(column.ended))


def data(site: Site, view: View) -> DurationHeat:
    window, heat = view.window, heat_service.heat(site, view.window)
    return DurationHeat(
        range=window.range,
        starts_at=rfc3339(window.start),
        ends_at=rfc3339(window.end),
        step_s=heat.columns[0].lasts_s,
        jobs=heat.jobs,
        most=heat.most,
        classes=heat.classes,
        columns=heat.columns,
    )


PANEL = Panel(
    "duration-heat",
    title="Durations over time",
    every=10,
    data=data,
    page="charts",
    windowed=True,
    width=2,
    order=46,
)
