"""What is derived from the counts of jobs, at a frozen clock, and that it is computed once."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from flask import Flask

from core import keys, metrics
from core.cache import Cache
from core.fields import check
from core.site import Site
from core.store import Store, StoreError
from services import analytics_service, job_rules, jobs_service
from services.analytics_service import Snapshot
from services.job_changes import JobRef

NOW = 1_800_000_030.0
MINUTE = int(NOW // 60)


@pytest.fixture
def frozen(site: Site) -> Site:
    return replace(site, clock=lambda: NOW)


def report(site: Site, status: str, agent: str = "studio", **fields: Any) -> None:
    """One job that is of this status now."""
    job = jobs_service.create(site, check(job_rules.NewJob, {"agent": agent})).job
    assert job is not None
    update = check(job_rules.Update, {"status": status, **fields})
    jobs_service.update(site, JobRef(number=job.number), update)


def count_minute(store: Store, ago: int, **fields: int) -> None:
    store.redis.hset(keys.MINUTE.at(0, MINUTE - ago), mapping=fields)  # type: ignore[arg-type]


def test_a_site_without_jobs_has_zeros_and_nothing_that_it_can_not_know(frozen: Site) -> None:
    snapshot = analytics_service.compute_snapshot(frozen)
    assert snapshot.total == 0
    assert snapshot.by_status == {"queued": 0, "processing": 0, "completed": 0, "failed": 0}
    assert (snapshot.success_rate, snapshot.success_rate_hour, snapshot.mean_duration_s) == (None, None, None)
    assert snapshot.jobs_per_minute == 0
    assert snapshot.agents == ()
    assert snapshot.uploads == analytics_service.Uploads(0, None, None)
    assert snapshot.taken_at == "2027-01-15T08:00:30.000Z"


def test_success_is_completed_of_those_that_ended_with_two_decimals(site: Site) -> None:
    for status in ("queued", "processing", "completed", "completed", "failed"):
        report(site, status)
    snapshot = analytics_service.compute_snapshot(site)
    assert snapshot.by_status == {"queued": 1, "processing": 1, "completed": 2, "failed": 1}
    assert snapshot.total == 5
    assert snapshot.success_rate == 66.67
    assert snapshot.success_rate_hour == 66.67


def test_each_of_the_last_sixty_minutes_has_its_counts(frozen: Site, store: Store) -> None:
    count_minute(store, 0, created=4, completed=1)
    count_minute(store, 59, failed=2)
    count_minute(store, 60, completed=1_000)
    minutes = analytics_service.compute_snapshot(frozen).minutes
    assert len(minutes) == 60
    assert minutes[-1] == analytics_service.Minute("2027-01-15T08:00:00.000Z", 4, 1, 0)
    assert minutes[0] == analytics_service.Minute("2027-01-15T07:01:00.000Z", 0, 0, 2)


def test_jobs_per_minute_is_the_mean_of_the_last_five_whole_minutes(frozen: Site, store: Store) -> None:
    count_minute(store, 0, completed=500)
    for ago in (1, 2, 5):
        count_minute(store, ago, completed=3, failed=1)
    count_minute(store, 6, completed=500)
    assert analytics_service.compute_snapshot(frozen).jobs_per_minute == 2.4


def test_durations_are_means_in_seconds(frozen: Site, store: Store) -> None:
    count_minute(store, 3, completed=1, failed=1, duration_ms=5_000)
    store.redis.hset(keys.TOTALS.at(), mapping={"a\tcompleted": 3, "a\tsum": 1.5, "b\tfailed": 1, "b\tsum": 2.5})
    snapshot = analytics_service.compute_snapshot(frozen)
    assert snapshot.mean_duration_hour_s == 2.5
    assert snapshot.mean_duration_s == 1.0


def test_agents_come_latest_first_with_their_own_rates(site: Site) -> None:
    report(site, "completed", agent="first")
    report(site, "failed", agent="second")
    time.sleep(0.002)  # agents are ordered by the millisecond
    report(site, "completed", agent="second")
    report(site, "processing", agent="second")
    latest, before = analytics_service.compute_snapshot(site).agents
    assert (latest.agent, latest.processing, latest.completed, latest.failed) == ("second", 1, 1, 1)
    assert latest.success_rate == 50.0
    assert (before.agent, before.success_rate) == ("first", 100.0)
    assert before.last_seen <= latest.last_seen


def test_no_more_than_twenty_agents_are_listed(site: Site) -> None:
    for number in range(25):
        report(site, "queued", agent=f"agent-{number}")
    assert len(analytics_service.compute_snapshot(site).agents) == 20


def test_the_snapshot_stands_as_json_under_its_fixed_name_for_thirty_seconds(site: Site, store: Store) -> None:
    report(site, "completed")
    taken = analytics_service.snapshot(site)
    text = store.redis.get("analytics_snapshot_cache")
    assert msgspec.json.decode(text, type=Snapshot) == taken  # type: ignore[arg-type]
    assert 25 < store.redis.ttl("analytics_snapshot_cache") <= 30
    report(site, "completed")
    assert analytics_service.snapshot(site) == taken
    store.redis.delete("analytics_snapshot_cache")
    assert analytics_service.snapshot(site).total == 2


def test_a_snapshot_of_an_older_shape_is_computed_anew(site: Site, store: Store) -> None:
    store.redis.set("analytics_snapshot_cache", '{"total": 7}')
    assert analytics_service.snapshot(site).total == 0


def test_under_load_it_is_computed_once_for_all_processes_and_hits_and_misses_count(site: Site) -> None:
    sites = [site]
    for _ in range(2):
        store = Store(site.store.url)
        sites.append(replace(site, store=store, cache=Cache(Flask("another"), store)))
    value = metrics.REGISTRY.get_sample_value
    hits = value("headway_cache_hits_total", {"cache": "analytics"}) or 0
    misses = value("headway_cache_misses_total", {"cache": "analytics"}) or 0
    taken: list[Snapshot] = []
    barrier = threading.Barrier(24)

    def ask(one: Site) -> None:
        barrier.wait()
        taken.append(analytics_service.snapshot(one))

    threads = [threading.Thread(target=ask, args=(sites[number % 3],)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Each computing reads the clock anew, so one time of taking means that there was one.
    assert len({each.taken_at for each in taken}) == 1
    assert taken == [taken[0]] * 24
    after = (value("headway_cache_hits_total", {"cache": "analytics"}) or 0) - hits
    assert after + (value("headway_cache_misses_total", {"cache": "analytics"}) or 0) - misses == 24
    for one in sites[1:]:
        one.store.close()


def test_partitions_are_summed(site: Site, store: Store) -> None:
    wide = replace(site, store=Store(store.url, partitions=3), clock=lambda: NOW)
    for partition in range(3):
        store.redis.hset(keys.MINUTE.at(partition, MINUTE), "completed", 2)
    for agent in ("a", "b", "c", "d", "e"):
        report(wide, "completed", agent=agent)
    snapshot = analytics_service.compute_snapshot(wide)
    assert snapshot.minutes[-1].completed == 6
    assert snapshot.by_status["completed"] == 5
    assert {each.agent for each in snapshot.agents} == {"a", "b", "c", "d", "e"}
    wide.store.close()


def test_with_the_store_away_the_reason_is_raised(site: Site) -> None:
    away = Store("unix:///tmp/no-such-socket")
    with pytest.raises(StoreError):
        analytics_service.snapshot(replace(site, store=away, cache=Cache(Flask("away"), away)))
