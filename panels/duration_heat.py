from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.site import Site
from core.times import rfc3339
from panels import Panel, View, _heat
from panels._charted import MEASURED
from services import chart_source, heat_service, series_catalog
from services.heat_service import Column, Heat
from services.series_catalog import JOB_DURATION
from services.windows import DAY_S, KEPT_S


@dataclass(frozen=True)
class DurationHeat:
    """How long the jobs took that ended in each column of the span, by classes of durations, shortest first."""

    range: str | None
    starts_at: str
    ends_at: str
    step_s: int
    """Of a column."""
    heat: Heat
    jobs: int
    most: int
    """Jobs of the fullest cell."""
    agent: str | None = None
    """None for all agents together."""
    known_since: str | None = None
    """Where the span begins before what is kept."""
    source: str = ""
    """Where the figures come from, a sentence; empty where they are all of Headway's own history."""

    @property
    def cells(self) -> Iterator[_heat.Cell]:
        return _heat.cells(self.heat, self.agent)

    @property
    def shades(self) -> list[_heat.Shade]:
        return _heat.shades(self.most)

    @property
    def names(self) -> list[str]:
        """What its classes are called."""
        return [_heat.says(each) for each in self.heat.classes]

    @property
    def rows(self) -> Iterator[tuple[Column, str]]:
        """The columns with jobs, newest first, each with the query that finds them in the history."""
        ended = (column for column in reversed(self.heat.columns) if any(column.ended))
        return ((column, _heat.query(column, agent=self.agent)) for column in ended)


def data(site: Site, view: View) -> DurationHeat:
    window, source, since = view.window, "", (site.clock() - KEPT_S) // DAY_S * DAY_S
    if view.agent is None:
        heat = heat_service.heat(site, window)
    else:
        name = f"{JOB_DURATION}{view.agent}"
        found = chart_source.histograms(site, (name,), window)
        heat = heat_service.of_histogram(found.of[name], series_catalog.of(name).bounds, window)
        source = found.source or MEASURED
    return DurationHeat(
        range=window.range,
        starts_at=rfc3339(window.start),
        ends_at=rfc3339(window.end),
        step_s=heat.columns[0].lasts_s,
        heat=heat,
        jobs=heat.jobs,
        most=heat.most,
        agent=view.agent,
        known_since=rfc3339(since) if view.agent is None and window.start < since - heat.columns[0].lasts_s else None,
        source=source,
    )


PANEL = Panel(
    "duration-heat",
    title="Durations over time",
    every=10,
    data=data,
    page="charts",
    windowed=True,
    by_agent=True,
    width=2,
    order=46,
)
