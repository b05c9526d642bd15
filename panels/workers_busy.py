from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Line, Panel, View
from panels._charted import Charted, charted, span_of, steps_of
from panels._gauges import highest, mean, mean_of
from services import chart_source
from services.windows import Window

JOBS, AGENTS = "jobs_processing", "agents_busy"


@dataclass(frozen=True)
class BusyPoint:
    """How many jobs were at work on average, and how many agents had one."""

    at: str
    jobs: float | None
    agents: float | None


@dataclass(frozen=True, kw_only=True)
class WorkersBusy(Charted):
    """What was at work, as it was sampled; None where nobody did."""

    jobs: float | None
    agents: float | None
    most_jobs: float | None
    points: tuple[BusyPoint, ...]


def data(site: Site, view: View) -> WorkersBusy:
    def read(window: Window) -> WorkersBusy:
        found = chart_source.readings(site, (JOBS, AGENTS), window)
        jobs, agents = found.of[JOBS], found.of[AGENTS]
        each = zip(jobs, agents, strict=True)
        return WorkersBusy(
            **span_of(window),
            jobs=mean(jobs),
            agents=mean(agents),
            most_jobs=highest(jobs),
            points=tuple(BusyPoint(at, mean_of(job), mean_of(agent)) for at, (job, agent) in steps_of(window, each)),
            source=found.source,
        )

    return charted(site, view, read)


PANEL = Panel(
    "workers-busy",
    title="Workers busy",
    every=5,
    data=data,
    page="charts",
    windowed=True,
    lines=(
        Line("jobs", "jobs", fill=True),
        Line("agents", "agents", ink="second", dash=True, compared=False),
    ),
    chart="line",
    width=2,
    order=37,
)
