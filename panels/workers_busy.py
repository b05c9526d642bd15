from __future__ import annotations

from dataclasses import dataclass

from core.site import Site
from panels import Line, Panel, View
from panels._charted import Charted, charted, span_of, steps_of
from panels._gauges import highest, mean, mean_of
from services import chart_source
from services.windows import Window

JOBS, AGENTS, BUSY, WORKERS = "jobs_processing", "agents_busy", "workers_busy", "workers"


@dataclass(frozen=True)
class BusyPoint:
    """On average: jobs at work, agents that had one, workers of RQ and Celery that had one, and all of these workers."""

    at: str
    jobs: float | None
    agents: float | None
    busy: float | None
    workers: float | None


@dataclass(frozen=True, kw_only=True)
class WorkersBusy(Charted):
    """What was at work, as it was sampled; None where nobody did. Workers are known of RQ and Celery alone."""

    jobs: float | None
    agents: float | None
    busy: float | None
    workers: float | None
    most_jobs: float | None
    points: tuple[BusyPoint, ...]


def data(site: Site, view: View) -> WorkersBusy:
    def read(window: Window) -> WorkersBusy:
        names = (JOBS, AGENTS, BUSY, WORKERS)
        found = chart_source.readings(site, names, window)
        jobs, agents, busy, workers = (found.of[name] for name in names)
        each = zip(jobs, agents, busy, workers, strict=True)
        return WorkersBusy(
            **span_of(window),
            jobs=mean(jobs),
            agents=mean(agents),
            busy=mean(busy),
            workers=mean(workers),
            most_jobs=highest(jobs),
            points=tuple(BusyPoint(at, *map(mean_of, readings)) for at, readings in steps_of(window, each)),
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
        Line("busy", "workers at work", ink="third", compared=False),
        Line("workers", "workers", ink="third", light=True, compared=False),
    ),
    chart="line",
    width=2,
    order=37,
)
