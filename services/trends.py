"""How a figure moved over the last minutes, told from the kept samples. Pure: samples in, trends out."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from services.history_service import POINTS, Sample

TREND_S = 300
"""A trend compares with so long ago, or with the oldest sample where that is younger."""
LEAST_S = 10
WINDOW_S = 60
"""A rate or a median is taken over so long, or it would tell of noise."""


@dataclass(frozen=True)
class Trend:
    """How a figure moved in the last `over_s` seconds, in `unit`; both None where there is nothing to compare with.

    `up_is_good` is None where neither way is. `points` draw a small line, oldest first.
    """

    delta: float | None
    over_s: int | None
    unit: str
    up_is_good: bool | None
    points: tuple[float, ...]


@dataclass(frozen=True)
class Trends:
    """`requests` is of requests a second, `hit_rate` in percentage points."""

    uptime: Trend
    requests: Trend
    latency: Trend
    hit_rate: Trend
    requests_per_second: float | None


def trends(kept: Sequence[Sample], now: Sample, started_at: float) -> Trends:
    """From the kept samples, oldest first, to now. Samples of the future (the clock was set back) don't count."""
    line = [each for each in kept if each.at < now.at] + [now]
    then = _then(line)
    over_s = round(now.at - then.at) if then else None
    per_second = _rate(_between(line, now.at - WINDOW_S, now.at))
    shown = line[-POINTS:]
    hours = [max(0.0, (each.at - started_at) / 3600) for each in shown]
    hit_rates = [rate for each in shown if (rate := each.hit_rate) is not None]
    steps = [rate for pair in itertools.pairwise(shown) if (rate := _rate(pair)) is not None]

    def trend(delta: float | None, digits: int, unit: str, up_is_good: bool | None, points: list[float]) -> Trend:
        rounded = None if delta is None else round(delta, digits) + 0.0
        return Trend(
            rounded, over_s if delta is not None else None, unit, up_is_good, tuple(round(p, 3) for p in points)
        )

    return Trends(
        trend((now.at - max(then.at, started_at)) / 3600 if then else None, 2, "h", True, hours),
        trend(_less(per_second, _rate(_since(line, then))), 2, "/s", None, steps),
        trend(_less(_latency(_between(line, now.at - WINDOW_S, now.at)), _latency(_since(line, then))), 3, "ms", False,
              [each.latency_ms for each in shown]),
        trend(_less(now.hit_rate, then.hit_rate if then else None), 2, "%", True, hit_rates),
        per_second,
    )  # fmt: skip


def _then(line: Sequence[Sample]) -> Sample | None:
    now = line[-1].at
    before = [each for each in line if each.at <= now - TREND_S]
    then = before[-1] if before else line[0]
    return then if now - then.at >= LEAST_S else None


def _between(line: Sequence[Sample], start: float, end: float) -> list[Sample]:
    return [each for each in line if start <= each.at <= end]


def _since(line: Sequence[Sample], then: Sample | None) -> list[Sample]:
    return _between(line, then.at, then.at + WINDOW_S) if then else []


def _rate(line: Sequence[Sample]) -> float | None:
    """Requests a second. Totals that fell (the store was emptied) count as no request."""
    if len(line) < 2 or line[-1].at <= line[0].at:
        return None
    return round(max(0.0, line[-1].requests - line[0].requests) / (line[-1].at - line[0].at), 2)


def _latency(line: Sequence[Sample]) -> float | None:
    return statistics.median(each.latency_ms for each in line) if line else None


def _less(now: float | None, then: float | None) -> float | None:
    return None if now is None or then is None else now - then
