"""Where charts get their figures: one door, whatever keeps them. What the store raises passes through.

Headway's own history reaches 90 days back and is coarser the older it is. With PROMETHEUS_URL, long spans and old ones come from
there where the own history has nothing, or nothing as fine. What Headway itself knows of a step stays, so that a longer span never
knows of less than a shorter one: Prometheus may have seen the step only in part. Its not being there is said, and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from core.site import Site
from core.times import rfc3339
from services import (
    job_series_service,
    job_sums,
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
"""What is longer is asked of Prometheus, where there is one and Headway does not know all of it."""
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
    if not (_elsewhere(site, names, window) and _missing(own, fine := series_store.fine(window, site.clock()))):
        return Readings(own)
    told = prometheus_history.told(site, names, window)
    theirs = {name: prometheus_readings.readings(told.values, name, window) for name in names}
    found = _either(theirs, own, fine)
    return Readings(found, _source(site, window, found, own, fine, told.why))


def histograms(site: Site, names: Iterable[str], window: Window) -> Histograms:
    names = tuple(names)
    own = series_service.histograms(site, names, window)
    if not (_elsewhere(site, names, window) and _missing(own, fine := series_store.fine(window, site.clock()))):
        return Histograms(own)
    told = prometheus_history.told(site, names, window)
    theirs = {
        name: prometheus_readings.counts(told.values, name, window, series_catalog.of(name).bounds) for name in names
    }
    found = _either(theirs, own, fine)
    return Histograms(found, _source(site, window, found, own, fine, told.why))


def jobs(site: Site, window: Window) -> Jobs:
    """What became of jobs."""
    if not _elsewhere(site, (prometheus_queries.JOBS,), window):
        return Jobs(job_series_service.series(site, window))
    own, now = _own_jobs(site, window), site.clock()
    known = [_known(point) for point in own.points]
    since = job_sums.fine_from(window.step_s, now)
    stays = [knows and start >= since for knows, start in zip(known, window.starts, strict=True)]
    if all(stays):
        return Jobs(own)
    told = prometheus_history.told(site, (prometheus_queries.JOBS,), window)
    series = prometheus_readings.jobs(told.values, own, stays, window, now)
    theirs = [ours is not point for ours, point in zip(own.points, series.points, strict=True)]
    left = [start for start, knows, they in zip(window.starts, known, theirs, strict=True) if knows and not they]
    coarse = any(start < since for start in left)
    return Jobs(series, _sentence(site, window, told.why, theirs=any(theirs), own=bool(left), coarse=coarse))


def _known(point: Point) -> bool:
    """Whether Headway looked at a step's jobs, or was told of any since."""
    return point.queue_depth is not None or any((point.created, point.completed, point.failed))


def _elsewhere(site: Site, names: Iterable[str], window: Window) -> bool:
    """Whether Prometheus may know of names, and keeps that time longer or finer than Headway does."""
    if not site.settings.prometheus_url or not any(map(prometheus_queries.known, names)):
        return False
    older = window.start < site.clock() - KEPT_S
    return older or window.steps * window.step_s > LONG_S or _own_step_s(site, window) > window.step_s


def _own_step_s(site: Site, window: Window) -> int:
    """How fine Headway's own history is at the beginning of a window."""
    reaching = (ring.step_s for ring in series_store.RINGS if ring.reaches(site.clock()) <= window.start)
    return next(reaching, series_store.RINGS[-1].step_s)


def _missing(own: Mapping[str, tuple[T | None, ...]], fine: Sequence[bool]) -> bool:
    """Whether there is a step of which Prometheus may know more."""
    return not all(fine) or any(None in own[name] for name in own if prometheus_queries.known(name))


def _either(
    theirs: Mapping[str, tuple[T | None, ...]], own: Mapping[str, tuple[T | None, ...]], fine: Sequence[bool]
) -> dict[str, tuple[T | None, ...]]:
    return {
        name: tuple(
            ours if one is None or (ours is not None and as_fine) else one
            for one, ours, as_fine in zip(theirs[name], own[name], fine, strict=True)
        )
        for name in own
    }


def _source(
    site: Site,
    window: Window,
    found: Mapping[str, tuple[T | None, ...]],
    own: Mapping[str, tuple[T | None, ...]],
    fine: Sequence[bool],
    why: str | None,
) -> str:
    steps = [step for name in own for step in zip(found[name], own[name], fine, strict=True)]
    left = [as_fine for one, ours, as_fine in steps if one is ours and ours is not None]
    theirs = any(one is not ours for one, ours, _ in steps)
    return _sentence(site, window, why, theirs=theirs, own=bool(left), coarse=not all(left))


def _sentence(site: Site, window: Window, why: str | None, *, theirs: bool, own: bool, coarse: bool) -> str:
    """Where figures come from. `theirs` and `own`: whether any that are shown are Prometheus', and any Headway's history's;
    `coarse`: whether some of these are of longer than a step."""
    if why is not None:
        fine = _own_step_s(site, window)
        by = BY.get(fine, "") if fine > window.step_s else ""
        return f"Prometheus can't be asked, because {why}: these are Headway's own figures{by}."
    if theirs:
        return "From Prometheus where Headway itself keeps nothing as fine." if own else "From Prometheus."
    return "Prometheus has no figures of this time: these are Headway's own." if coarse else ""


def _own_jobs(site: Site, window: Window) -> Series:
    """Headway's own series of a window that may begin before it."""
    lost = min(max(-(-(int(site.clock()) - KEPT_S - window.start) // window.step_s), 0), window.steps - 1)
    kept = replace(window, start=window.start + lost * window.step_s, steps=window.steps - lost)
    series = job_series_service.series(site, kept)
    none = [Point(rfc3339(start), 0, 0, 0, 0.0, None, Times(None, None, None), None, None) for start in window.starts]
    return replace(series, points=(*none[:lost], *series.points))
