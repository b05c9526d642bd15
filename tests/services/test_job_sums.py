"""The counters of each step of any window: sums stay right where only hours are known, in every partition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import keys
from core.site import Site
from core.store import Store
from services import job_series_service, job_sums, windows
from services.job_series_service import Series
from services.windows import DAY_S, HOUR_S, KEPT_S, MINUTE_S, Window

NOW = 1_800_000_000.0 + 2_345
"""In the midst of an hour."""


@pytest.fixture
def wide(site: Site) -> Iterator[Site]:
    """A site with three partitions, at a frozen clock."""
    store = Store(site.store.url, partitions=3)
    yield replace(site, store=store, clock=lambda: NOW)
    store.close()


def happened(site: Site, at: float, partition: int = 0, **fields: int) -> None:
    """Counts what happened at a moment, in its minute as long as that is kept and in its hour."""
    found = [keys.HOUR.at(partition, int(at // HOUR_S))]
    if at >= NOW - 25 * HOUR_S:
        found.append(keys.MINUTE.at(partition, int(at // MINUTE_S)))
    for key in found:
        for name, by in fields.items():
            site.store.redis.hincrby(key, name, by)


def series(site: Site, since: float, until: float) -> Series:
    return job_series_service.series(site, windows.of_span(since, until, NOW))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 60 * HOUR_S), st.integers(0, 2), st.integers(1, 50)), max_size=12))
def test_whole_hours_of_any_step_sum_to_what_happened_in_them(wide: Site, ends: list[tuple[int, int, int]]) -> None:
    wide.store.redis.flushall()
    for ago, partition, many in ends:
        happened(wide, NOW - ago, partition, completed=many, failed=1, created=2)
    for step_s in (30, MINUTE_S, 5 * MINUTE_S, 15 * MINUTE_S, HOUR_S, 4 * HOUR_S):
        for ago_h in (0, 24, 48):
            first = int((NOW - ago_h * HOUR_S) // (4 * HOUR_S)) * 4 * HOUR_S
            window = Window(first, step_s, 4 * HOUR_S // step_s)
            inside = [many for ago, _, many in ends if first <= NOW - ago < first + 4 * HOUR_S]
            points = job_series_service.series(wide, window).points
            assert sum(point.completed for point in points) == sum(inside)
            assert sum(point.failed for point in points) == len(inside)
            assert sum(point.created for point in points) == 2 * len(inside)


def test_an_hour_whose_minutes_are_gone_is_spread_evenly_and_its_rates_are_the_hours(wide: Site) -> None:
    began = int(NOW // HOUR_S - 40) * HOUR_S
    happened(wide, began + 7, 0, completed=3, failed=1, d70=3, d90=1, duration_ms=8_000)
    happened(wide, began + 9, 0, depth_sum=30, depth_n=4, depth_max=19)
    points = series(wide, began - HOUR_S, began + 2 * HOUR_S).points
    assert len(points) == 180 and sum(point.completed + point.failed for point in points) == 4
    hour = points[60:120]
    assert {(p.jobs_per_minute, p.success_rate, p.took.mean, p.queue_depth, p.deepest) for p in hour} == {
        (0.07, 75.0, 2.0, 7.5, 19)
    }
    assert {(p.took.p50, p.took.p95) for p in hour} == {(0.828, 5.572)}
    counted = [place for place, point in enumerate(hour) if point.completed]
    assert len(counted) == 3 and {after - before for before, after in pairwise(counted)} <= {19, 20, 21}
    assert {point.jobs_per_minute for point in (*points[:60], *points[120:])} == {0.0}


def test_a_window_across_the_oldest_minute_tells_hours_before_and_minutes_after(wide: Site) -> None:
    border = -int(-(NOW - 25 * HOUR_S) // HOUR_S) * HOUR_S
    happened(wide, border - 100, 1, completed=60)
    happened(wide, border + 100, 2, completed=60)
    points = series(wide, border - HOUR_S, border + HOUR_S).points
    assert [point.completed for point in points] == [1] * 60 + [0, 60] + [0] * 58
    whole = series(wide, border - HOUR_S, border + HOUR_S)
    assert whole.success_rate == 100.0 and whole.range is None


def test_steps_of_seconds_share_what_their_minute_counted_up_to_now(wide: Site) -> None:
    happened(wide, NOW - 60, 0, completed=6)
    happened(wide, NOW, 0, completed=2)  # five seconds into a minute: its first step alone has begun
    found = job_sums.sums(wide, Window(int(NOW // 60) * 60 - 60, 10, 12), NOW)
    assert [sums.get("completed", 0) for sums in found] == [1] * 6 + [2] + [0] * 5


def test_ninety_days_are_told_by_steps_of_half_a_day_from_hours(wide: Site) -> None:
    first = int((NOW - KEPT_S) // (12 * HOUR_S)) * 12 * HOUR_S
    for day in range(91):
        for partition in range(3):
            happened(wide, first + day * DAY_S, partition, completed=day, depth_n=1, depth_sum=day, depth_max=day)
    found = series(wide, NOW - KEPT_S, NOW)
    assert (found.step_s, len(found.points)) == (12 * HOUR_S, 181)
    assert [point.completed for point in found.points[::2]] == [3 * day for day in range(91)]
    assert {point.completed for point in found.points[1::2]} == {0}
    assert found.deepest == 90 and found.queue_depth == 45.0


def test_a_month_reaches_thirty_days_back_and_a_chosen_window_is_kept_apart_from_it(wide: Site) -> None:
    happened(wide, NOW - 29.5 * DAY_S, completed=7)
    month = job_series_service.series(wide, windows.of_range("30d", NOW))
    assert (month.range, sum(point.completed for point in month.points)) == ("30d", 7)
    happened(wide, NOW - 29.5 * DAY_S, completed=1)
    assert job_series_service.series(wide, windows.of_range("30d", NOW)) == month
    assert sum(point.completed for point in series(wide, NOW - 30 * DAY_S, NOW - 29 * DAY_S).points) == 8


def test_of_years_the_last_three_months_are_told_and_the_rest_is_nothing(wide: Site) -> None:
    week = 7 * DAY_S
    window = Window(int(NOW // week - 149) * week, week, 150)
    happened(wide, NOW - 89 * DAY_S, 2, completed=4)
    happened(wide, NOW, 1, completed=5)
    found = [point.completed for point in job_series_service.series(wide, window).points]
    assert (found[-1], sum(found[-14:-1]), sum(found[:-14])) == (5, 4, 0)
