"""What became of jobs over time, from the counters of each minute and hour: it costs the same at any number of jobs."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from core import keys
from core.site import Site
from core.times import rfc3339
from services import jobs_service
from services.analytics_service import RATE_MINUTES, success_rate

BUCKETS = 1.1
"""A job that ended is counted in the bucket floor(log(its ms) / log(BUCKETS)), so a percentile is right within 5 %."""
BUCKET = re.compile(r"d\d{1,3}")
MOST_HASHES = 180
"""Minutes or hours that are summed in one call: it holds up others in the store for a few milliseconds at most."""
HOUR_S = 3600


@dataclass(frozen=True)
class Range:
    """A span of time up to now, in steps. A minute is kept 25 hours, an hour 8 days."""

    name: str
    step_s: int
    steps: int

    @property
    def kept_s(self) -> int:
        """How long a reading may be shown, where reading is not cheap; 0 where it is."""
        return self.step_s // 60 if self.step_s > 60 else 0


RANGES = {
    each.name: each
    for each in (
        Range("15m", 60, 15),
        Range("1h", 60, 60),
        Range("6h", 300, 72),
        Range("24h", 900, 96),
        Range("7d", HOUR_S, 168),
    )
}
DEFAULT_RANGE = "1h"


@dataclass(frozen=True)
class Times:
    """How long jobs took, in seconds; each None where none ended."""

    p50: float | None
    p95: float | None
    mean: float | None


@dataclass(frozen=True)
class Point:
    """What happened in the step that began `at` (RFC 3339), the present one up to now.

    `created`, `completed` and `failed` count jobs; `jobs_per_minute` those that ended. `success_rate` is a percentage, None
    where none ended. `queue_depth` is how many were queued on average, None where nobody looked; `deepest` the most.
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
    """A range's points, oldest first; the other figures are of the whole range, as a point's are of its step."""

    range: str
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


def series(site: Site, name: str) -> Series:
    """A range of `RANGES`; the longer ones up to a minute old. Raises KeyError for another, and StoreError."""
    span = RANGES[name]
    if not span.kept_s:
        return _series(site, span)
    return site.cache.get_or_compute(
        keys.SERIES.at(0, name), span.kept_s, lambda: _series(site, span), "series", Series
    )


def recent(site: Site) -> Recent:
    """The present figures. Raises StoreError."""
    minutes = _sums(site, RANGES["1h"], site.clock())
    ended = sum(each["completed"] + each["failed"] for each in minutes[-1 - RATE_MINUTES : -1])
    return Recent(round(ended / RATE_MINUTES, 2), _times(_total(minutes)))


def note_depth(site: Site, now: float) -> None:
    """Count how many jobs are queued into the minute and the hour of `now`; a part of a duty. Raises StoreError."""
    depth, now = jobs_service.counts(site)["queued"], int(now)
    # One process does this, so nobody comes between reading the most and writing it.
    kept = (keys.MINUTE.at(0, now // 60), 25 * HOUR_S), (keys.HOUR.at(0, now // HOUR_S), 8 * 24 * HOUR_S)
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
    """How many jobs were queued on average in each minute since the epoch from `first` to `last`, None where nobody looked.

    Raises StoreError.
    """
    found = list[tuple[int, float | None]]()
    for start in range(first, last + 1, MOST_HASHES):
        minutes = range(start, min(start + MOST_HASHES, last + 1))
        with site.store.redis.pipeline(transaction=False) as pipeline:
            for minute in minutes:
                pipeline.hmget(keys.MINUTE.at(0, minute), ["depth_sum", "depth_n"])
            for minute, (total, looks) in zip(minutes, pipeline.execute(), strict=True):
                found.append((minute, round(int(total) / int(looks), 2) if total and looks else None))
    return found


def _series(site: Site, span: Range) -> Series:
    now = site.clock()
    steps = _sums(site, span, now)
    whole = _total(steps)
    first = int(now // span.step_s) - span.steps + 1
    points = tuple(_point(sums, (first + at) * span.step_s, span.step_s, now) for at, sums in enumerate(steps))
    return Series(
        span.name,
        span.step_s,
        points,
        success_rate(whole["completed"], whole["failed"]),
        _times(whole),
        _depth(whole),
        max((point.deepest for point in points if point.deepest is not None), default=None),
    )


def _sums(site: Site, span: Range, now: float) -> list[Counter[str]]:
    """The counters of each step, of all partitions together."""
    hours = span.step_s % HOUR_S == 0
    each = span.step_s // (HOUR_S if hours else 60)
    first = int(now // span.step_s) - span.steps + 1
    at_once = MOST_HASHES // each
    steps = [Counter[str]() for _ in range(span.steps)]
    for partition in range(site.store.partitions):
        for start in range(0, span.steps, at_once):
            call = {
                "hours": hours,
                "first": (first + start) * each,
                "each": each,
                "steps": min(at_once, span.steps - start),
            }
            answer = site.store.scripts.run("series", partition, call)
            for sums, more in zip(steps[start:], _decode(answer), strict=False):
                sums.update(more)  # what is not only counted, the depth, stands in one partition
    return steps


_decode = msgspec.msgpack.Decoder(list[dict[str, int]]).decode


def _total(steps: Iterable[Counter[str]]) -> Counter[str]:
    total = Counter[str]()
    for sums in steps:
        total.update(sums)
    return total


def _point(sums: Mapping[str, int], began: int, step_s: int, now: float) -> Point:
    completed, failed = sums["completed"], sums["failed"]
    # The present step has not lasted its whole time; less than a minute of it would tell of noise.
    minutes = min(max(now - began, 60), step_s) / 60
    return Point(
        at=rfc3339(began),
        created=sums["created"],
        completed=completed,
        failed=failed,
        jobs_per_minute=round((completed + failed) / minutes, 2),
        success_rate=success_rate(completed, failed),
        took=_times(sums),
        queue_depth=_depth(sums),
        deepest=sums["depth_max"] if sums["depth_n"] else None,
    )


def _depth(sums: Mapping[str, int]) -> float | None:
    return round(sums["depth_sum"] / sums["depth_n"], 2) if sums["depth_n"] else None


def _times(sums: Mapping[str, int]) -> Times:
    ended = sums["completed"] + sums["failed"]
    buckets = sorted((int(name[1:]), number) for name, number in sums.items() if BUCKET.fullmatch(name))
    mean = round(sums["duration_ms"] / ended / 1000, 3) if ended else None
    return Times(_percentile(buckets, 0.5), _percentile(buckets, 0.95), mean)


def _percentile(buckets: list[tuple[int, int]], share: float) -> float | None:
    """By nearest rank, in seconds: the middle of the bucket that holds it. None without a job."""
    left = math.ceil(share * sum(number for _, number in buckets))
    for bucket, number in buckets:
        left -= number
        if left <= 0 < number:
            return round(math.pow(BUCKETS, bucket + 0.5) / 1000, 3)
    return None
