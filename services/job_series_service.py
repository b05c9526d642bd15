"""What became of jobs over time, from the counters of each minute and hour: it costs the same at any number of jobs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from core import keys
from core.site import Site
from core.times import rfc3339
from services import job_sums, waiting_jobs, windows
from services.analytics_service import RATE_MINUTES, success_rate
from services.job_sums import Sums
from services.windows import HOUR_S, Window

BUCKETS = 1.1
"""A job that ended is counted in the bucket floor(log(its ms) / log(BUCKETS)), so a percentile is right within 5 %."""
BUCKET = re.compile(r"d\d{1,3}")
ALMOST_NONE = 1e-9
"""What reckoning with fractions may leave over."""
MOST_AT_ONCE = 180
"""Minutes that are asked for in one go."""


@dataclass(frozen=True)
class Times:
    """How long jobs took, in seconds; each None where none ended."""

    p50: float | None
    p95: float | None
    mean: float | None


@dataclass(frozen=True)
class Point:
    """What happened in the step that began `at` (RFC 3339), the present one up to now.

    Of a time of which only whole hours are known, each step has its share, and its rates are those of the hour. `created`, `completed` and `failed` count jobs; `jobs_per_minute` those that ended. `success_rate` is a percentage, None
    where none ended. `queue_depth` is how many waited on average, None where nobody looked; `deepest` the most.
    """

    at: str
    created: int
    completed: int
    failed: int
    jobs_per_minute: float
    success_rate: float | None
    took: Times
    queue_depth: float | None
    deepest: int | None


@dataclass(frozen=True)
class Series:
    """A window's points, oldest first; the other figures are of the whole window, as a point's are of its step."""

    range: str | None
    step_s: int
    points: tuple[Point, ...]
    success_rate: float | None
    took: Times
    queue_depth: float | None
    deepest: int | None


@dataclass(frozen=True)
class Recent:
    """`jobs_per_minute` is a mean over the last five whole minutes, `took` is of the last 60."""

    jobs_per_minute: float
    took: Times


def series(site: Site, window: Window) -> Series:
    """A window of up to 90 days ago; a range that takes more than an hour of counters is up to a minute old. Raises StoreError."""
    # Of spans that readers choose there is no end, so none of them takes room in the store.
    if window.range is None or window.step_s * window.steps <= HOUR_S:
        return _series(site, window)
    key = keys.SERIES.at(0, window.start, window.step_s, window.steps)
    kept_s = min(max(window.step_s // 60, 5), 60)
    kept = site.cache.get_or_compute(key, kept_s, lambda: _series(site, window), "series", Series)
    return replace(kept, range=window.range)


def recent(site: Site) -> Recent:
    """The present figures. Raises StoreError."""
    now = site.clock()
    minutes = job_sums.sums(site, windows.of_range("1h", now), now)
    ended = sum(map(_ended, minutes[-1 - RATE_MINUTES : -1]))
    return Recent(round(ended / RATE_MINUTES, 2), _times(job_sums.total(minutes)))


def note_depth(site: Site, now: float) -> None:
    """Count how many jobs wait into the minute and the hour of `now`; a part of a duty. Raises StoreError."""
    depth, now = waiting_jobs.depth(site), int(now)
    # One process does this, so nobody comes between reading the most and writing it.
    kept = (
        (keys.MINUTE.at(0, now // 60), job_sums.MINUTES_KEPT_S),
        (keys.HOUR.at(0, now // HOUR_S), job_sums.HOURS_KEPT_S),
    )
    with site.store.redis.pipeline(transaction=False) as pipeline:
        for key, _ in kept:
            pipeline.hget(key, "depth_max")
        deepest = pipeline.execute()
        for (key, lives_s), most in zip(kept, deepest, strict=True):
            pipeline.hincrby(key, "depth_sum", depth)
            pipeline.hincrby(key, "depth_n", 1)
            pipeline.hset(key, "depth_max", max(depth, int(most or 0)))
            pipeline.expire(key, lives_s)
        pipeline.execute()


def depths(site: Site, first: int, last: int) -> list[tuple[int, float | None]]:
    """How many jobs waited on average in each minute since the epoch from `first` to `last`, None where nobody looked.

    Raises StoreError.
    """
    found = list[tuple[int, float | None]]()
    for start in range(first, last + 1, MOST_AT_ONCE):
        minutes = range(start, min(start + MOST_AT_ONCE, last + 1))
        with site.store.redis.pipeline(transaction=False) as pipeline:
            for minute in minutes:
                pipeline.hmget(keys.MINUTE.at(0, minute), ["depth_sum", "depth_n"])
            for minute, (total, looks) in zip(minutes, pipeline.execute(), strict=True):
                found.append((minute, round(int(total) / int(looks), 2) if total and looks else None))
    return found


def _series(site: Site, window: Window) -> Series:
    now = site.clock()
    steps = job_sums.sums(site, window, now)
    whole = job_sums.total(steps)
    created, completed, failed = (_whole_numbers(steps, name) for name in ("created", "completed", "failed"))
    points = tuple(
        _point(*each, window.step_s, now) for each in zip(steps, created, completed, failed, window.starts, strict=True)
    )
    return Series(
        window.range,
        window.step_s,
        points,
        _success_rate(whole),
        _times(whole),
        _depth(whole),
        _deepest(whole),
    )


def _whole_numbers(steps: Iterable[Mapping[str, float]], name: str) -> Iterator[int]:
    """A counter's whole number for each step: what is spread over several adds up to what was counted."""
    exact, told = 0.0, 0
    for sums in steps:
        exact += sums.get(name, 0)
        reached = round(exact)
        yield reached - told
        told = reached


def _point(sums: Sums, created: int, completed: int, failed: int, began: int, step_s: int, now: float) -> Point:
    # The present step has not lasted its whole time; less than a minute of it would tell of noise.
    minutes = min(max(now - began, 60), step_s) / 60
    return Point(
        at=rfc3339(began),
        created=created,
        completed=completed,
        failed=failed,
        jobs_per_minute=round(_ended(sums) / minutes, 2),
        success_rate=_success_rate(sums),
        took=_times(sums),
        queue_depth=_depth(sums),
        deepest=_deepest(sums),
    )


def _ended(sums: Sums) -> float:
    return sums.get("completed", 0) + sums.get("failed", 0)


def _success_rate(sums: Sums) -> float | None:
    return success_rate(sums.get("completed", 0), sums.get("failed", 0))


def _depth(sums: Sums) -> float | None:
    looks = sums.get("depth_n")
    return round(sums.get("depth_sum", 0) / looks, 2) if looks else None


def _deepest(sums: Sums) -> int | None:
    return int(sums.get("depth_max", 0)) if sums.get("depth_n") else None


def _times(sums: Sums) -> Times:
    ended = _ended(sums)
    buckets = sorted((int(name[1:]), number) for name, number in sums.items() if BUCKET.fullmatch(name))
    mean = round(sums.get("duration_ms", 0) / ended / 1000, 3) if ended else None
    return Times(percentile(buckets, 0.5), percentile(buckets, 0.95), mean)


def percentile(buckets: Sequence[tuple[int, float]], share: float) -> float | None:
    """By nearest rank, in seconds: the middle of the bucket that holds it. None without a job."""
    left = share * sum(number for _, number in buckets)
    for bucket, number in buckets:
        left -= number
        if left <= ALMOST_NONE < number:
            return round(math.pow(BUCKETS, bucket + 0.5) / 1000, 3)
    return None
