"""Failures by day of UTC, from the counters of hours of a real store, at a clock of the test's choice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest

from core import keys
from core.site import Site
from core.store import Store
from services import failure_days
from services.failure_days import DAYS, FailureDay
from services.windows import DAY_S, HOUR_S
from tests.services.reports import create, iso, tell
from tests.timed_jobs import NOON, after

NOW = NOON.timestamp()
HOUR = int(NOW // HOUR_S)


@pytest.fixture
def frozen(site: Site) -> Site:
    return replace(site, clock=lambda: NOW)


@pytest.fixture
def wide(site: Site, store: Store) -> Iterator[Site]:
    """The frozen site with three partitions."""
    three = Store(store.url, partitions=3)
    yield replace(site, store=three, clock=lambda: NOW)
    three.close()


def ended(store: Store, hour: int, *, partition: int = 0, **fields: int) -> None:
    store.redis.hset(keys.HOUR.at(partition, hour), mapping=fields)


def by_date(site: Site) -> dict[str, FailureDay]:
    return {day.date: day for day in failure_days.days(site)}


def test_it_is_ninety_days_up_to_today_and_none_tells_of_a_rate_where_nothing_ended(frozen: Site) -> None:
    days = failure_days.days(frozen)
    last = date(2026, 11, 21)
    assert [day.date for day in days] == [f"{last - timedelta(days=DAYS - 1 - at)}" for at in range(DAYS)]
    assert {(day.failed, day.ended, day.rate) for day in days} == {(0, 0, None)}


def test_a_day_begins_and_ends_at_midnight_of_utc_on_the_day_that_clocks_change_too(frozen: Site, store: Store) -> None:
    change = HOUR - 12 - 24 * 27  # midnight of 25 October, which in much of Europe has 25 hours
    for hour, failed in ((change - 1, 1), (change, 2), (change + 23, 4), (change + 24, 8)):
        ended(store, hour, completed=10, failed=failed)
    found = by_date(frozen)
    assert [found[f"2026-10-{day}"].failed for day in (24, 25, 26)] == [1, 6, 8]
    assert found["2026-10-25"] == FailureDay("2026-10-25", 6, 26, 23.08)


def test_a_day_on_which_none_failed_is_not_one_on_which_none_ended(frozen: Site, store: Store) -> None:
    ended(store, HOUR - 24, completed=3)
    found = by_date(frozen)
    assert (found["2026-11-20"].rate, found["2026-11-19"].rate) == (0.0, None)


def test_today_is_read_anew_and_a_day_that_is_over_within_minutes(frozen: Site, store: Store) -> None:
    ended(store, HOUR, failed=1)
    assert by_date(frozen)["2026-11-21"].failed == 1
    ended(store, HOUR, failed=2)
    ended(store, HOUR - 24, failed=5)
    found = by_date(frozen)
    assert (found["2026-11-21"].failed, found["2026-11-20"].failed) == (2, 0)
    store.redis.delete(keys.SERIES.at(0, "days-before", int(NOW // DAY_S)))
    assert by_date(frozen)["2026-11-20"].failed == 5


def test_what_is_kept_of_yesterday_is_not_taken_for_what_was_kept_the_day_before(frozen: Site, store: Store) -> None:
    ended(store, HOUR, failed=1)
    failure_days.days(frozen)
    assert by_date(replace(frozen, clock=lambda: NOW + DAY_S))["2026-11-21"].failed == 1


def test_partitions_are_counted_together(wide: Site, store: Store) -> None:
    for partition in range(3):
        ended(store, HOUR, partition=partition, failed=partition + 1, completed=1)
    assert by_date(wide)["2026-11-21"] == FailureDay("2026-11-21", 6, 9, 66.67)


def test_real_failures_count_on_the_day_that_they_ended(site: Site) -> None:
    told = replace(site, clock=lambda: after(60).timestamp())
    for at, status in ((1, "failed"), (2, "completed"), (-13 * HOUR_S, "failed")):
        job = create(told, timestamp=iso(after(at)))
        tell(told, job, status=status, timestamp=iso(after(at)), **({"error": "no"} if status == "failed" else {}))
    found = by_date(told)
    assert [(found[day].failed, found[day].ended) for day in ("2026-11-20", "2026-11-21")] == [(1, 1), (1, 2)]
