"""What tests of series share: a clock, samples of one series, and what readings they should give by brute force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pytest

from core.site import Site
from services import series_service, series_store, windows
from services.series_service import Reading
from services.series_store import Sample, Totals
from services.windows import Window
from tests.services.alert_rules import Clock

START = 1_800_000_000.0
"""An hour begins."""


def at(site: Site, now: float = START) -> tuple[Site, Clock]:
    """The site with a clock that stands until it is moved."""
    clock = Clock(now)
    return replace(site, clock=clock), clock


def gauge(site: Site, value: float, name: str = "load1") -> int:
    """Samples one gauge now; how many found no room."""
    return series_store.write(site, Sample(site.clock(), gauges={name: value}))


def total(site: Site, value: float, name: str = "requests") -> int:
    """Samples one counter now."""
    return series_store.write(site, Sample(site.clock(), rates={name: value}))


def durations(site: Site, *buckets: float, name: str = "job_duration:mail", of: str = "") -> int:
    """Samples a histogram's totals now; buckets that are not named are empty."""
    filled = (*buckets, *(0.0,) * (10 - len(buckets)))
    return series_store.write(site, Sample(site.clock(), histograms={name: Totals(filled, sum(buckets), of)}))


def last(site: Site, seconds: float, step_s: int = 10) -> Window:
    """The steps of so many seconds up to and with the present one."""
    newest = int(site.clock() // step_s)
    steps = int(seconds // step_s)
    return Window((newest - steps + 1) * step_s, step_s, steps)


def readings(site: Site, window: Window, name: str = "load1") -> tuple[Reading | None, ...]:
    return series_service.read(site, [name], window)[name]


def means(site: Site, window: Window, name: str = "load1") -> list[float | None]:
    return [None if each is None else each.mean for each in readings(site, window, name)]


def by_hand(samples: Sequence[tuple[float, float]], window: Window, now: float) -> list[Reading | None]:
    """What each step should read of samples (time, value) in the order in which they came."""
    slots = dict[tuple[int, int], list[float]]()
    for ring in series_store.RINGS:
        for moment, value in samples:
            slots.setdefault((ring.step_s, int(moment // ring.step_s)), []).append(value)
    rings = [part.ring.step_s for part in series_store.parts(window, now) for _ in part.pieces]
    return [_step(slots, start, window.step_s, slot_s) for start, slot_s in zip(window.starts, rings, strict=True)]


def _step(slots: Mapping[tuple[int, int], list[float]], start: int, step_s: int, slot_s: int) -> Reading | None:
    weight, whole, seen = 0.0, 0.0, list[float]()
    for slot in range(start // slot_s, -(-(start + step_s) // slot_s)):
        share = (min((slot + 1) * slot_s, start + step_s) - max(slot * slot_s, start)) / slot_s
        values = slots.get((slot_s, slot), [])
        weight, whole = weight + share * len(values), whole + share * sum(values)
        seen += values
    return Reading(min(seen), max(seen), whole / weight, seen[-1], max(1, round(weight))) if seen else None


def assert_same(found: Iterable[Reading | None], expected: Iterable[Reading | None]) -> None:
    for one, other in zip(found, expected, strict=True):
        if one is None or other is None:
            assert one is other
        else:
            assert (one.min, one.max, one.last, one.count) == (other.min, other.max, other.last, other.count)
            assert one.mean == pytest.approx(other.mean, rel=1e-9, abs=1e-4)


def spans(now: float) -> list[Window]:
    """Windows of every step up to now, and of the past."""
    recent = [
        windows.of_span(now - step_s * 150, now + step_s, now)
        for step_s in windows.STEPS_S
        if step_s * 150 < windows.KEPT_S
    ]
    past = [windows.of_span(now - ago_s, now - ago_s + lasts_s, now) for ago_s, lasts_s in PAST]
    return [*recent, *past]


PAST = ((2 * 3_600, 1_500), (30 * 3_600, 3_000), (3 * 86_400, 80_000), (20 * 86_400, 100_000), (89 * 86_400, 86_400))
