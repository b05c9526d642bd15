"""Where charts get their figures: one door, whatever keeps them. What the store raises passes through.

Headway's own history reaches 90 days back and is coarser the older it is. With PROMETHEUS_URL, long spans and old ones come from
there; its not being there is said, and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from core.site import Site
from core.times import rfc3339
from services import (
    job_series_service,
    prometheus_history,
    prometheus_queries,
    prometheus_readings,
    series_catalog,
    series_service,
    series_store,
)
from services.job_series_service import Point, Series, Times
from services.series_service import Counts, Reading
from services.windows import DAY_S, HOUR_S, KEPT_S, LONGEST_S, MINUTE_S, Window

T = TypeVar("T", Reading, Counts)

LONG_S = 7 * DAY_S
"""What is longer comes from Prometheus, where there is one."""
BY = {MINUTE_S: ", by the minute", 10 * MINUTE_S: ", by ten minutes", HOUR_S: ", by the hour"}


@dataclass(frozen=True)
class Readings:
    """By the name of a series, a reading for each step of a window, None where nothing is known of it."""

    of: dict[str, tuple[Reading | None, ...]]
    source: str = ""
    """Where they come from, a sentence; empty where they are Headway's own history."""


@dataclass(frozen=True)
class Histograms:
    """By the name of a histogram, what was counted in each step of a window, None where nothing is known of it."""

    of: dict[str, tuple[Counts | None, ...]]
    source: str = ""


@dataclass(frozen=True)
class Jobs:
    series: Series
    source: str = ""


def reach_s(site: Site) -> int:
    """How far back a span may begin, for `services.windows.of_span`."""
    return LONGEST_S if site.settings.prometheus_url else KEPT_S


def coarse(site: Site, window: Window) -> str:
    """How Headway's own figures of a window are kept, where that is coarser than its steps: `by the hour`. Empty where it is
    not, or where Prometheus may know more."""
    kept_s = _own_step_s(site, window)
    return BY.get(kept_s, "").removeprefix(", ") if kept_s > window.step_s and not site.settings.prometheus_url else ""


def readings(site: Site, names: Iterable[str], window: Window) -> Readings:
    """Of gauges and rates."""
    names = tuple(names)
    own = series_service.read(site, names, window)
    if not _elsewhere(site, names, window):
        return Readings(own)
    told = prometheus_history.told(site, names, window)
    theirs = {name: prometheus_readings.readings(told.values, name, window) for name in names}
    return Readings(_either(theirs, own), _source(site, window, theirs, own, told.why))


def histograms(site: Site, names: Iterable[str], window: Window) -> Histograms:
    names = tuple(names)
    own = series_service.histograms(site, names, window)
    if not _elsewhere(site, names, window):
        return Histograms(own)
    told = prometheus_history.told(site, names, window)
    theirs = {
        name: prometheus_readings.counts(told.values, name, window, series_catalog.of(name).bounds) for name in names
    }
    return Histograms(_either(theirs, own), _source(site, window, theirs, own, told.why))


def jobs(site: Site, window: Window) -> Jobs:
    """What became of jobs."""
    if not _elsewhere(site, (prometheus_queries.JOBS,), window):
        return Jobs(job_series_service.series(site, window))
    told = prometheus_history.told(site, (prometheus_queries.JOBS,), window)
    own = _own_jobs(site, window)
    series = prometheus_readings.jobs(told.values, own, window, site.clock())
    theirs = [ours is not point for ours, point in zip(own.points, series.points, strict=True)]
    known = any(point.created or point.completed or point.failed for point in own.points)
    return Jobs(series, _sentence(site, window, told.why, theirs=any(theirs), own=known and not all(theirs)))


def _elsewhere(site: Site, names: Iterable[str], window: Window) -> bool:
    """Whether Prometheus is asked: where it may know, and knows more of that time than Headway keeps."""
    if not site.settings.prometheus_url or not any(map(prometheus_queries.known, names)):
        return False
    older = window.start < site.clock() - KEPT_S
    return older or window.steps * window.step_s > LONG_S or _own_step_s(site, window) > window.step_s


def _own_step_s(site: Site, window: Window) -> int:
    """How fine Headway's own history is at the beginning of a window."""
    reaching = (ring.step_s for ring in series_store.RINGS if ring.reaches(site.clock()) <= window.start)
    return next(reaching, series_store.RINGS[-1].step_s)


def _either(
    theirs: Mapping[str, tuple[T | None, ...]], own: Mapping[str, tuple[T | None, ...]]
) -> dict[str, tuple[T | None, ...]]:
    return {
        name: tuple(ours if one is None else one for one, ours in zip(theirs[name], own[name], strict=True))
        for name in own
    }


def _source(
    site: Site,
    window: Window,
    theirs: Mapping[str, tuple[T | None, ...]],
    own: Mapping[str, tuple[T | None, ...]],
    why: str | None,
) -> str:
    pairs = [pair for name in own for pair in zip(theirs[name], own[name], strict=True)]
    filled = any(one is None and ours is not None for one, ours in pairs)
    return _sentence(site, window, why, theirs=any(one is not None for one, _ in pairs), own=filled)


def _sentence(site: Site, window: Window, why: str | None, *, theirs: bool, own: bool) -> str:
    """Where figures come from. `theirs` and `own`: whether there are any of Prometheus, and any of Headway's history."""
    if why is not None:
        fine = _own_step_s(site, window)
        by = BY.get(fine, "") if fine > window.step_s else ""
        return f"Prometheus can't be asked, because {why}: these are Headway's own figures{by}."
    if theirs:
        return "From Prometheus, and Headway's own where that has none." if own else "From Prometheus."
    return "Prometheus has no figures of this time: these are Headway's own." if own else ""


def _own_jobs(site: Site, window: Window) -> Series:
    """Headway's own series of a window that may begin before it."""
    lost = min(max(-(-(int(site.clock()) - KEPT_S - window.start) // window.step_s), 0), window.steps - 1)
    kept = replace(window, start=window.start + lost * window.step_s, steps=window.steps - lost)
    series = job_series_service.series(site, kept)
    none = [Point(rfc3339(start), 0, 0, 0, 0.0, None, Times(None, None, None), None, None) for start in window.starts]
    return replace(series, points=(*none[:lost], *series.points))
