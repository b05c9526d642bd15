from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from core.site import Site
from panels import Line, Panel, View
from panels._charted import MEASURED, Charted, charted, span_of, steps_of
from panels._gauges import rounded
from services import chart_source
from services.series_catalog import JOB_DURATION
from services.series_service import percentile, together
from services.windows import Window


@dataclass(frozen=True)
class TimePoint:
    at: str
    p50_s: float | None
    p95_s: float | None


@dataclass(frozen=True, kw_only=True)
class ProcessingTime(Charted):
    """How long the jobs took that ended, from start to end; None where none did. Of all agents, percentiles are right within 5 %."""

    agent: str | None = None
    """None for all agents together."""
    p50_s: float | None
    p95_s: float | None
    mean_s: float | None
    points: tuple[TimePoint, ...]


def data(site: Site, view: View) -> ProcessingTime:
    return charted(site, view, partial(_all, site) if view.agent is None else partial(_of_one, site, view.agent))


def _all(site: Site, window: Window) -> ProcessingTime:
    jobs = chart_source.jobs(site, window)
    took = jobs.series.took
    return ProcessingTime(
        **span_of(window),
        p50_s=took.p50,
        p95_s=took.p95,
        mean_s=took.mean,
        points=tuple(TimePoint(point.at, point.took.p50, point.took.p95) for point in jobs.series.points),
        source=jobs.source,
    )


def _of_one(site: Site, agent: str, window: Window) -> ProcessingTime:
    """From the buckets that are kept of each agent's jobs, so less exact."""
    name = f"{JOB_DURATION}{agent}"
    found = chart_source.histograms(site, (name,), window)
    steps = found.of[name]
    whole = together(steps)
    return ProcessingTime(
        **span_of(window),
        agent=agent,
        p50_s=rounded(percentile(whole, 0.5)),
        p95_s=rounded(percentile(whole, 0.95)),
        mean_s=rounded(whole.sum / whole.total) if whole and whole.total else None,
        points=tuple(
            TimePoint(at, rounded(percentile(counts, 0.5)), rounded(percentile(counts, 0.95)))
            for at, counts in steps_of(window, steps)
        ),
        source=found.source or MEASURED,
    )


PANEL = Panel(
    "processing-time",
    title="Processing time",
    every=5,
    data=data,
    page="both",
    windowed=True,
    by_agent=True,
    lines=(Line("p50_s", "p50", "s", compared=False), Line("p95_s", "p95", "s", ink="second", dash=True)),
    chart="line",
    width=2,
    order=34,
)
