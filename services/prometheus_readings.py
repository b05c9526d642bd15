"""Makes of what Prometheus told what Headway's own history would have answered; None, or the own, where it told nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import inf

from services import prometheus_queries, series_service
from services.analytics_service import success_rate
from services.job_metrics_service import BOUNDS_S
from services.job_series_service import Point, Series, Times
from services.prometheus_ranges import Values
from services.series_service import Counts, Reading
from services.series_store import EVERY_S
from services.windows import MINUTE_S, Window

JOBS = prometheus_queries.JOBS
BOUNDS = tuple(map(float, BOUNDS_S))


def readings(told: Values, name: str, window: Window) -> tuple[Reading | None, ...]:
    """A gauge or a rate, of as many samples as are taken here in a whole step. Of what is told as a mean alone, that is the least
    and the most too."""
    looks = window.step_s // EVERY_S
    means = _of(told, name if name in prometheus_queries.GROWING else f"{name}:avg", window)
    least, most, last = (_of(told, f"{name}:{kind}", window) for kind in ("min", "max", "last"))
    return tuple(
        None if mean is None else Reading(_or(low, mean), _or(high, mean), mean, _or(end, mean), looks)
        for mean, low, high, end in zip(means, least, most, last, strict=True)
    )


def counts(told: Values, name: str, window: Window, bounds: Sequence[float]) -> tuple[Counts | None, ...]:
    """A histogram's steps. A bound that Prometheus does not know counts as much as the one below it."""
    upto = [_bucket(told, name, bound, window) for bound in bounds]
    sums = _of(told, f"{name}:sum", window)
    return tuple(_counts(bounds, [each[at] for each in upto], sums[at] or 0.0) for at in range(window.steps))


def jobs(told: Values, own: Series, stays: Sequence[bool], window: Window, now: float) -> Series:
    """`own`, a window's, with what Prometheus told in place of those of its steps that it knows and that do not stay."""
    took = counts(told, JOBS, window, BOUNDS)
    parts = {part: _of(told, f"{JOBS}:{part}", window) for part in ("completed", "failed", "created", "avg", "max")}
    points = tuple(
        point
        if stays[at] or all(values[at] is None for values in parts.values())
        else _point(
            point.at, {part: values[at] for part, values in parts.items()}, took[at], window.step_s, now - start
        )
        for at, (point, start) in enumerate(zip(own.points, window.starts, strict=True))
    )
    whole = series_service.together(took)
    ended = sum(point.completed + point.failed for point in own.points)
    depths = [point.queue_depth for point in points if point.queue_depth is not None]
    return replace(
        own,
        points=points,
        success_rate=success_rate(sum(point.completed for point in points), sum(point.failed for point in points)),
        # Of the two, which can't be added up, the one that knows of more jobs.
        took=_times(whole) if whole is not None and whole.total > ended else own.took,
        queue_depth=round(sum(depths) / len(depths), 2) if depths else None,
        deepest=max((point.deepest for point in points if point.deepest is not None), default=None),
    )


def _of(told: Values, piece: str, window: Window) -> Sequence[float | None]:
    return told.get(piece) or [None] * window.steps


def _or(one: float | None, other: float) -> float:
    return other if one is None else one


def _bucket(told: Values, name: str, bound: float, window: Window) -> Sequence[float | None]:
    return _of(told, f"{name}\t{'+Inf' if bound == inf else bound}", window)


def _counts(bounds: Sequence[float], upto: Iterable[float | None], total: float) -> Counts | None:
    found, below, known = list[float](), 0.0, False
    for each in upto:
        reached = below if each is None else max(each, below)
        known = known or each is not None
        found.append(reached - below)
        below = reached
    return Counts(tuple(bounds), tuple(found), total) if known else None


def _point(at: str, step: Mapping[str, float | None], took: Counts | None, step_s: int, since_s: float) -> Point:
    created, completed, failed = (round(step[part] or 0) for part in ("created", "completed", "failed"))
    ended = (step["completed"] or 0) + (step["failed"] or 0)
    depth, deepest = step["avg"], step["max"]
    return Point(
        at=at,
        created=created,
        completed=completed,
        failed=failed,
        jobs_per_minute=round(ended / (min(max(since_s, MINUTE_S), step_s) / MINUTE_S), 2),
        success_rate=success_rate(step["completed"] or 0, step["failed"] or 0),
        took=_times(took),
        queue_depth=None if depth is None else round(depth, 2),
        deepest=None if deepest is None else round(deepest),
    )


def _times(took: Counts | None) -> Times:
    p50, p95 = (series_service.percentile(took, share) for share in (0.5, 0.95))
    mean = took.sum / took.total if took is not None and took.total else None
    return Times(*(None if one is None else round(one, 3) for one in (p50, p95, mean)))
