"""The last ten minutes, as every browser sees them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core import keys, metrics
from core.site import Site
from core.store import Store, StoreError
from services import history_service


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticking(site: Site) -> Site:
    return replace(site, clock=Clock(1_800_000_000))


def sample(site: Site) -> None:
    """Take the next sample, five seconds later."""
    assert isinstance(site.clock, Clock)
    site.clock.now += 5
    history_service.sample(site)


def test_without_a_sample_there_is_no_point_and_no_figure(site: Site) -> None:
    assert history_service.redis_latency(site) == history_service.LatencySeries((), None, None, None)


def test_a_sample_holds_the_totals_of_the_fleet_and_the_latency(ticking: Site) -> None:
    metrics.CACHE_HITS.labels(cache="x").inc()
    sample(ticking)
    (taken,) = history_service.samples(ticking)
    assert taken.at == 1_800_000_005
    assert taken.latency_ms > 0
    assert taken.hits == metrics.to_dict(ticking)["cache_hits_total"]


def test_the_last_twenty_points_come_oldest_first_with_their_times(ticking: Site) -> None:
    for _ in range(25):
        sample(ticking)
    series = history_service.redis_latency(ticking)
    assert len(series.points) == 20
    assert series.points[0].at == "2027-01-15T08:00:30.000Z"
    assert series.points[-1].at == "2027-01-15T08:02:05.000Z"
    assert series.latest_ms == series.points[-1].latency_ms
    assert series.max_ms == max(each.latency_ms for each in history_service.samples(ticking))


def test_no_more_than_ten_minutes_are_kept(ticking: Site, store: Store) -> None:
    sample(ticking)
    (one,) = store.redis.lrange(keys.SAMPLES.at(), 0, 0)  # type: ignore[misc]
    store.redis.rpush(keys.SAMPLES.at(), *[one] * history_service.KEPT)
    sample(ticking)
    assert store.redis.llen(keys.SAMPLES.at()) == history_service.KEPT
    assert history_service.KEPT * history_service.EVERY_S == 600


def test_another_process_sees_the_same_history(ticking: Site) -> None:
    sample(ticking)
    other = Store(ticking.store.url)
    assert history_service.redis_latency(replace(ticking, store=other)) == history_service.redis_latency(ticking)
    other.close()


def test_the_99th_percentile_leaves_out_the_one_worst_of_a_hundred() -> None:
    assert history_service.p99([*range(1, 100), 10_000]) == 99
    assert history_service.p99([7.0]) == 7.0


def test_a_damaged_sample_is_passed_over(ticking: Site, store: Store) -> None:
    store.redis.rpush(keys.SAMPLES.at(), "not json", "[1]", '["a",1,1,1,1]')
    sample(ticking)
    assert len(history_service.samples(ticking)) == 1


def test_each_measurement_counts_in_the_metric(site: Site) -> None:
    before = metrics.to_dict()["redis_latency_seconds_count"] or 0
    history_service.measure_latency_ms(site)
    assert metrics.to_dict()["redis_latency_seconds_count"] == before + history_service.PINGS


def test_with_the_store_away_the_reason_is_raised(site: Site) -> None:
    away = replace(site, store=Store("unix:///tmp/no-such-socket"))
    for read in (history_service.sample, history_service.redis_latency):
        with pytest.raises(StoreError):
            read(away)
