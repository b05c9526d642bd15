"""Trends at a frozen clock."""

from __future__ import annotations

import pytest

from services.history_service import POINTS, Sample
from services.trends import trends

NOW = 1_000_000.0
STARTED_AT = NOW - 7_200


def line(count: int, every_s: float = 5, per_s: float = 2, latency_ms: float = 1.0, hits: float = 0) -> list[Sample]:
    """Samples up to just before now, oldest first, with a steady number of requests a second."""
    ats = [NOW - every_s * (count - number) for number in range(count)]
    return [Sample(at, latency_ms, (at - STARTED_AT) * per_s, hits, 10) for at in ats]


def now(**changed: float) -> Sample:
    return Sample(**({"at": NOW, "latency_ms": 1.0, "requests": 14_400, "hits": 0, "misses": 10} | changed))


def test_the_first_reading_has_figures_and_no_trend() -> None:
    first = trends([], now(), STARTED_AT)
    assert first.requests_per_second is None
    for trend in (first.uptime, first.requests, first.latency, first.hit_rate):
        assert trend.delta is None
        assert trend.over_s is None


def test_uptime_grows_by_the_time_that_passed() -> None:
    uptime = trends(line(120), now(), STARTED_AT).uptime
    assert (uptime.delta, uptime.over_s, uptime.unit, uptime.up_is_good) == (0.08, 300, "h", True)
    assert uptime.points[-1] == 2.0


def test_uptime_does_not_grow_from_before_the_start() -> None:
    assert trends(line(120), now(), NOW - 36).uptime.delta == 0.01
    assert min(trends(line(120), now(), NOW - 36).uptime.points) == 0


def test_a_steady_rate_has_no_trend_and_says_its_rate() -> None:
    steady = trends(line(120), now(), STARTED_AT)
    assert steady.requests_per_second == 2
    assert steady.requests.delta == 0
    assert steady.requests.points == (2,) * (POINTS - 1)


def test_more_requests_a_second_than_minutes_ago_are_a_rise_without_praise() -> None:
    burst = trends(line(120), now(requests=14_400 + 60), STARTED_AT)
    assert burst.requests_per_second == 3
    assert (burst.requests.delta, burst.requests.unit, burst.requests.up_is_good) == (1, "/s", None)


def test_totals_that_fell_are_no_negative_rate() -> None:
    fallen = trends(line(120), now(requests=0), STARTED_AT)
    assert fallen.requests_per_second == 0
    assert min(fallen.requests.points) == 0


def test_latency_is_compared_by_medians_so_that_one_slow_answer_is_no_trend() -> None:
    assert trends(line(120), now(latency_ms=500), STARTED_AT).latency.delta == 0


def test_a_latency_that_fell_is_negative_and_that_is_good() -> None:
    kept = [Sample(each.at, 3.0 if each.at < NOW - 120 else 1.0, each.requests, 0, 0) for each in line(120)]
    latency = trends(kept, now(), STARTED_AT).latency
    assert (latency.delta, latency.up_is_good, latency.over_s) == (-2.0, False, 300)


def test_the_hit_rate_moves_in_percentage_points() -> None:
    hit_rate = trends(line(120, hits=30), now(hits=90), STARTED_AT).hit_rate
    assert (hit_rate.delta, hit_rate.unit, hit_rate.points[-1]) == (15.0, "%", 90.0)


def test_a_hit_rate_that_was_unknown_then_has_no_trend() -> None:
    kept = [Sample(each.at, 1, 1, 0, 0) for each in line(120)]
    hit_rate = trends(kept, now(hits=10, misses=0), STARTED_AT).hit_rate
    assert (hit_rate.delta, hit_rate.points) == (None, (100.0,))


def test_a_short_history_compares_with_its_oldest_sample_and_says_so() -> None:
    assert trends(line(6), now(), STARTED_AT).latency.over_s == 30
    assert trends(line(1), now(), STARTED_AT).latency.delta is None


def test_samples_of_the_future_do_not_count() -> None:
    ahead = [Sample(NOW + 3_600, 99, 0, 0, 0)]
    assert trends([*line(120), *ahead], now(), STARTED_AT) == trends(line(120), now(), STARTED_AT)


@pytest.mark.parametrize("count", [1, 2, 19, 20, 21, 120])
def test_small_lines_have_at_most_twenty_points(count: int) -> None:
    latency = trends(line(count), now(), STARTED_AT).latency
    assert len(latency.points) == min(count + 1, POINTS)
