"""How long jobs took over time: how many of each step of a window fell into which class of durations."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core import keys
from core.site import Site
from services import job_sums
from services.job_series_service import BUCKET, BUCKETS
from services.series_service import Counts
from services.windows import HOUR_S, Window

EDGES_S = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0, 3600.0, 7200.0)
"""Where one class of durations ends and the next begins; the first begins at nothing, the last has no end."""
MOST_COLUMNS = 60
"""More steps than this are drawn several to a column, so that a cell can be seen and hit."""


@dataclass(frozen=True)
class DurationClass:
    """Durations of at least `from_s` and less than `to_s` seconds (None: any above). Of all agents, a job is counted right within 5 %."""

    from_s: float
    to_s: float | None


@dataclass(frozen=True)
class Column:
    """`ended` counts the jobs that ended in the `lasts_s` seconds from `start` on (seconds since the epoch), by class."""

    start: int
    lasts_s: int
    ended: tuple[int, ...]


@dataclass(frozen=True)
class Heat:
    """Columns oldest first; classes shortest first: those that occur, those between them, and one on either side."""

    classes: tuple[DurationClass, ...]
    columns: tuple[Column, ...]

    @property
    def most(self) -> int:
        """Jobs of the fullest cell; 0 where none ended."""
        return max((ended for column in self.columns for ended in column.ended), default=0)

    @property
    def jobs(self) -> int:
        return sum(sum(column.ended) for column in self.columns)


CLASSES = tuple(DurationClass(low, high) for low, high in zip((0.0, *EDGES_S), (*EDGES_S, None), strict=True))


def heat(site: Site, window: Window) -> Heat:
    """Of all agents; that of a range of more than an hour is up to a minute old. Raises StoreError."""
    if window.range is None or window.step_s * window.steps <= HOUR_S:
        return _read(site, window)
    key = keys.SERIES.at(0, "heat", window.start, window.step_s, window.steps)
    kept_s = min(max(window.step_s // 60, 5), 60)
    return site.cache.get_or_compute(key, kept_s, lambda: _read(site, window), "heat", Heat)


def _read(site: Site, window: Window) -> Heat:
    return of(job_sums.sums(site, window, site.clock()), window)


def of(steps: Iterable[Mapping[str, float]], window: Window) -> Heat:
    """The heat of a window's counters by step."""
    return _arranged([_by_class(sums) for sums in steps], CLASSES, window)


def of_histogram(steps: Iterable[Counts | None], bounds: Sequence[float], window: Window) -> Heat:
    """The heat of a window's histogram by step, in classes as its `bounds`, the upper ends of its buckets, tell them."""
    none = [0.0] * len(bounds)
    uppers = (*bounds[:-1], None)
    classes = tuple(DurationClass(low, high) for low, high in zip((0.0, *bounds[:-1]), uppers, strict=True))
    return _arranged([none if counts is None else list(counts.counts) for counts in steps], classes, window)


def _arranged(by_step: list[list[float]], classes: tuple[DurationClass, ...], window: Window) -> Heat:
    each = -(-window.steps // MOST_COLUMNS)
    groups = [by_step[at : at + each] for at in range(0, len(by_step), each)]
    exact = [[sum(found) for found in zip(*group, strict=True)] for group in groups]
    whole = list(zip(*(_whole_numbers(each_class) for each_class in zip(*exact, strict=True)), strict=True))
    low, high = _range(whole, len(classes))
    columns = tuple(
        Column(window.start + at * each * window.step_s, len(group) * window.step_s, tuple(ended[low:high]))
        for at, (group, ended) in enumerate(zip(groups, whole, strict=True))
    )
    return Heat(classes[low:high], columns)


def counted_from_ms(edge_s: float) -> int:
    """The shortest duration, in whole milliseconds, that is counted as one of `edge_s` or longer: buckets don't end where classes do."""
    return math.ceil(math.pow(BUCKETS, math.ceil(math.log(edge_s * 1000, BUCKETS) - 0.5)))


def class_of(bucket: int) -> int:
    """The class in which the middle of a bucket of `job_series_service` lies."""
    return bisect_right(EDGES_S, math.pow(BUCKETS, bucket + 0.5) / 1000)


def _by_class(sums: Mapping[str, float]) -> list[float]:
    ended = [0.0] * len(CLASSES)
    for name, number in sums.items():
        if BUCKET.fullmatch(name):
            ended[class_of(int(name[1:]))] += number
    return ended


def _whole_numbers(exact: Iterable[float]) -> list[int]:
    """What is spread over several steps as whole numbers that add up to what was counted."""
    found, sum_, told = list[int](), 0.0, 0
    for number in exact:
        sum_ += number
        found.append(round(sum_) - told)
        told = round(sum_)
    return found


def _range(columns: Iterable[Iterable[int]], classes: int) -> tuple[int, int]:
    """From the class below the lowest that occurs to the one above the highest; nothing where none does."""
    found = [at for column in columns for at, ended in enumerate(column) if ended]
    return (max(min(found) - 1, 0), min(max(found) + 2, classes)) if found else (0, 0)
