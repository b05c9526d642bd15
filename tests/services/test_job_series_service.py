"""What became of jobs over time, at a frozen clock, from the counters of minutes and hours."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest

from core import keys
from core.site import Site
from core.store import Store, StoreError
from core.times import rfc3339
from services import history_service, job_series_service, jobs_service, windows
from services.job_rules import NewJob
from services.job_series_service import Series, Times
from services.windows import RANGES

NOW = 1_800_000_030.0
"""Half a minute into an hour."""
MINUTE, HOUR = int(NOW // 60), int(NOW // 3600)
NOTHING = Times(None, None, None)


@pytest.fixture
def frozen(site: Site) -> Site:
    return replace(site, clock=lambda: NOW)


@pytest.fixture
def wide(site: Site, store: Store) -> Iterator[Site]:
    """The frozen site with three partitions."""
    three = Store(store.url, partitions=3)
    yield replace(site, store=three, clock=lambda: NOW)
    three.close()


def series(site: Site, name: str) -> Series:
    return job_series_service.series(site, windows.of_range(name, site.clock()))


def bucket(ms: int) -> str:
    return f"d{math.floor(math.log(max(ms, 1)) / math.log(1.1))}"


def count(store: Store, key: str, *took_ms: int, **fields: int) -> None:
    """Counters as the script keeps them; each of `took_ms` is the duration of a completed job."""
    for ms in took_ms:
        for field, by in ((bucket(ms), 1), ("duration_ms", ms), ("completed", 1)):
            store.redis.hincrby(key, field, by)
    for field, by in fields.items():
        store.redis.hincrby(key, field, by)


@pytest.mark.parametrize("name", RANGES)
def test_a_range_has_its_steps_up_to_the_present_one_and_zeros_where_nothing_happened(frozen: Site, name: str) -> None:
    span = RANGES[name]
    found = series(frozen, name)
    assert (found.range, found.step_s, len(found.points)) == (name, span.step_s, span.steps)
    assert 15 <= span.steps <= 180
    assert found.points[-1].at == rfc3339(NOW // span.step_s * span.step_s)
    assert {
        (p.created, p.completed, p.failed, p.jobs_per_minute, p.success_rate, p.queue_depth) for p in found.points
    } == {(0, 0, 0, 0.0, None, None)}
    assert (found.success_rate, found.took, found.points[0].took) == (None, NOTHING, NOTHING)


def test_each_minute_of_an_hour_has_its_own_figures(frozen: Site, store: Store) -> None:
    count(store, keys.MINUTE.at(0, MINUTE - 59), 200, created=3, failed=2)
    count(store, keys.MINUTE.at(0, MINUTE - 60), created=1_000)
    count(store, keys.MINUTE.at(0, MINUTE), 100, 100, 100)
    first, *_, last = series(frozen, "1h").points
    assert (first.at, first.created, first.completed, first.failed) == ("2027-01-15T07:01:00.000Z", 3, 1, 2)
    assert (first.success_rate, first.jobs_per_minute) == (33.33, 3.0)
    assert (last.completed, last.jobs_per_minute, last.success_rate) == (3, 3.0, 100.0)


def test_a_step_of_several_minutes_sums_them_and_tells_jobs_a_minute(frozen: Site, store: Store) -> None:
    for ago in (10, 12, 14):
        count(store, keys.MINUTE.at(0, MINUTE - ago), 1_000, 3_000, failed=1, duration_ms=2_000)
    point = series(frozen, "6h").points[-4]
    assert point.at == "2027-01-15T07:45:00.000Z"
    assert (point.completed, point.failed, point.jobs_per_minute) == (4, 2, 1.2)
    assert point.took.mean == 2.0


def test_the_present_step_tells_jobs_a_minute_of_the_time_that_it_lasted(site: Site, store: Store) -> None:
    at = replace(site, clock=lambda: NOW + 570)
    count(store, keys.HOUR.at(0, HOUR), completed=30)
    assert series(at, "7d").points[-1].jobs_per_minute == 3.0


def test_a_day_comes_from_minutes_and_a_week_from_hours(frozen: Site, store: Store) -> None:
    count(store, keys.MINUTE.at(0, MINUTE - 95 * 15), 5)
    count(store, keys.HOUR.at(0, HOUR - 167), 5, 5)
    assert series(frozen, "24h").points[0].completed == 1
    assert [p.completed for p in series(frozen, "7d").points if p.completed] == [2]


@pytest.mark.parametrize("ms", [0, 1, 17, 950, 8_200, 61_000, 7_200_000])
def test_a_percentile_is_right_within_five_percent(frozen: Site, store: Store, ms: int) -> None:
    count(store, keys.MINUTE.at(0, MINUTE), ms)
    took = series(frozen, "15m").points[-1].took
    assert took.p50 == took.p95 == pytest.approx(max(ms, 1) / 1000, rel=0.05, abs=0.001)
    assert took.mean == ms / 1000


def test_percentiles_go_by_the_nearest_rank_and_are_of_all_partitions_together(wide: Site, store: Store) -> None:
    took_ms = [100 * rank for rank in range(1, 41)]
    for at, ms in enumerate(took_ms):
        count(store, keys.MINUTE.at(at % 3, MINUTE - at), ms)
    found = series(wide, "1h")
    assert found.took.p50 == pytest.approx(2.0, rel=0.05)
    assert found.took.p95 == pytest.approx(3.8, rel=0.05)
    assert found.took.mean == 2.05
    assert job_series_service.recent(wide).took == found.took
    assert sum(point.completed for point in found.points) == 40


def test_jobs_a_minute_are_now_the_mean_of_the_last_five_whole_minutes(frozen: Site, store: Store) -> None:
    for ago, completed in ((0, 500), (1, 3), (2, 3), (5, 3), (6, 500)):
        count(store, keys.MINUTE.at(0, MINUTE - ago), completed=completed)
    assert job_series_service.recent(frozen).jobs_per_minute == 1.8


def test_the_queues_depth_is_the_mean_of_what_the_duty_saw_and_its_most_is_kept(frozen: Site, store: Store) -> None:
    for _ in range(3):
        jobs_service.create(frozen, NewJob())
        history_service.sample(frozen)
    minute, hour = (series(frozen, name).points[-1] for name in ("1h", "7d"))
    assert (minute.queue_depth, minute.deepest) == (hour.queue_depth, hour.deepest) == (2.0, 3)
    assert 0 < store.redis.ttl(keys.MINUTE.at(0, MINUTE)) <= 25 * 3600
    assert 0 < store.redis.ttl(keys.HOUR.at(0, HOUR)) <= 91 * 86_400


def test_the_depth_of_a_step_is_of_all_its_minutes_and_a_quiet_queue_is_zero(frozen: Site, store: Store) -> None:
    for ago, (total, looks, most) in enumerate(((0, 12, 0), (12, 12, 4)), 1):
        count(store, keys.MINUTE.at(0, MINUTE - ago), depth_sum=total, depth_n=looks, depth_max=most)
    point = series(frozen, "6h").points[-2]
    assert (point.queue_depth, point.deepest) == (0.5, 4)
    assert series(frozen, "1h").points[-2].queue_depth == 0.0


def test_a_reported_job_counts_where_it_was_created_and_where_it_ended(site: Site) -> None:
    made = jobs_service.create(site, NewJob()).job
    assert made is not None
    jobs_service.batch(
        site, enumerate([b'{"queue_id": %d, "status": "completed"}' % made.number], 1), jobs_service.BatchReport()
    )
    for name in ("1h", "7d"):
        points = series(site, name).points
        assert (sum(p.created for p in points), sum(p.completed for p in points)) == (1, 1)
        assert [p.took.p50 is None for p in points if p.completed] == [False]


def test_a_long_range_is_kept_for_a_while_and_a_short_one_is_read_anew(frozen: Site, store: Store) -> None:
    before = {name: series(frozen, name) for name in ("1h", "24h")}
    count(store, keys.MINUTE.at(0, MINUTE), 10)
    assert series(frozen, "24h") == before["24h"]
    assert series(frozen, "1h") != before["1h"]
    assert 0 < store.redis.ttl(keys.SERIES.at(0, int(NOW // 900 - 95) * 900, 900, 96)) <= 15


def test_what_else_stands_under_a_minutes_key_is_passed_over(frozen: Site, store: Store) -> None:
    store.redis.set(keys.MINUTE.at(0, MINUTE), "something else")
    store.redis.hset(
        keys.MINUTE.at(0, MINUTE - 1), mapping={"completed": "many", "failed": 1, "d99999": 7, "duration_ms": 2.5}
    )
    *_, before, now = series(frozen, "15m").points
    assert (now.completed, before.completed, before.failed, before.took.p50) == (0, 0, 1, None)


def test_a_store_that_is_away_is_an_error(site: Site) -> None:
    away = replace(site, store=Store("unix:///tmp/no-such-socket"))
    with pytest.raises(StoreError):
        job_series_service.recent(away)
    with pytest.raises(StoreError):
        series(away, "1h")
    with pytest.raises(StoreError):
        job_series_service.note_depth(away, NOW)
