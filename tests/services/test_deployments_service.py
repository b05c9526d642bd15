"""Deployments on a real store: kept once, in order, bounded, and passed over where they can't be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core import keys
from core.fields import FieldError
from core.site import Site
from services import deployments_service
from services.deployments_service import KEPT, SAME_S, NewDeployment, between, note, page, remove
from services.windows import DAY_S, KEPT_S
from tests.services.alert_rules import Clock


@pytest.fixture
def clock(site: Site) -> Clock:
    return Clock(site.clock())


@pytest.fixture
def here(site: Site, clock: Clock) -> Iterator[Site]:
    """A site whose clock stands until it is moved."""
    yield replace(site, clock=clock)


def at(clock: Clock, by_s: float = 0.0) -> datetime:
    return datetime.fromtimestamp(clock.now + by_s, UTC)


def versions(site: Site) -> list[str]:
    return [one.version for one in page(site, limit=500).items]


def test_the_same_version_within_a_minute_is_one_deployment_and_later_it_is_another(here: Site, clock: Clock) -> None:
    first, new = note(here, NewDeployment("v1"))
    assert new
    clock.now += SAME_S - 1
    assert note(here, NewDeployment("v1", title="again")) == (first, False)
    clock.now += SAME_S
    later, new = note(here, NewDeployment("v1"))
    assert new and later.id != first.id
    # One that is told late, with its time, is the same as the one after it.
    assert note(here, NewDeployment("v1", timestamp=at(clock, -5))) == (later, False)
    assert versions(here) == ["v1", "v1"]


def test_a_version_that_comes_back_after_another_counts_however_soon(here: Site, clock: Clock) -> None:
    for version in ("v1", "v2", "v1"):
        clock.now += 5
        assert note(here, NewDeployment(version))[1]
    assert versions(here) == ["v1", "v2", "v1"]


def test_an_id_or_a_name_of_the_request_counts_once_for_as_long_as_it_is_kept(here: Site, clock: Clock) -> None:
    by_id, _ = note(here, NewDeployment("v1", id="build-7"))
    clock.now += 10 * SAME_S
    by_key, _ = note(here, NewDeployment("v2"), once="idempotency-key:a")
    clock.now += 10 * SAME_S
    assert note(here, NewDeployment("v3", id="build-7")) == (by_id, False)
    assert note(here, NewDeployment("v3"), once="idempotency-key:a") == (by_key, False)
    assert note(here, NewDeployment("v3"), once="idempotency-key:b")[1]


def test_a_clock_that_is_ahead_is_told_of_it_and_the_mark_is_set_now(here: Site, clock: Clock) -> None:
    one, _ = note(here, NewDeployment("v1", timestamp=at(clock, 3600)))
    assert (one.at, one.skew_s) == (pytest.approx(clock.now, abs=0.001), pytest.approx(3600, abs=1))
    clock.now += 2 * SAME_S
    assert note(here, NewDeployment("v2", timestamp=at(clock, 0.5)))[0].skew_s is None
    with pytest.raises(FieldError, match="timestamp: should be within the last 90 days"):
        note(here, NewDeployment("v3", timestamp=at(clock) - timedelta(days=91)))


def test_pages_go_on_behind_the_last_one_also_where_several_fell_into_one_moment(here: Site, clock: Clock) -> None:
    for number in range(5):
        note(here, NewDeployment(f"v{number}", timestamp=at(clock), id=f"n{number}"))
    first = page(here, limit=2)
    second = page(here, 2, first.next_before)
    third = page(here, 2, second.next_before)
    assert [one.id for each in (first, second, third) for one in each.items] == ["n4", "n3", "n2", "n1", "n0"]
    assert (first.total, third.next_before) == (5, None)
    with pytest.raises(FieldError, match="before"):
        page(here, 2, "nobody")


def test_only_the_last_thousand_of_three_months_are_kept(here: Site, clock: Clock) -> None:
    note(here, NewDeployment("old"))
    clock.now += KEPT_S + 1
    for number in range(KEPT + 5):
        clock.now += 1
        note(here, NewDeployment(f"v{number}"))
    found = page(here, limit=500)
    assert found.total == KEPT == here.store.redis.hlen(keys.DEPLOYMENT.at())
    assert found.items[0].version == f"v{KEPT + 4}"
    clock.now += KEPT_S - 0.5
    note(here, NewDeployment("after a long rest"))
    assert page(here).total == 2


def test_a_span_holds_its_first_moment_and_not_its_last(here: Site, clock: Clock) -> None:
    clock.now = float(int(clock.now))
    for by_s in (0, 60, 120):
        note(here, NewDeployment(f"v{by_s}", timestamp=at(clock, by_s - DAY_S)))
    since = clock.now - DAY_S
    assert [one.version for one in between(here, since, since + 120)] == ["v0", "v60"]


def test_what_is_removed_or_damaged_is_passed_over(here: Site, clock: Clock) -> None:
    for number in range(3):
        note(here, NewDeployment(f"v{number}", id=f"n{number}"))
    assert remove(here, "n0") and not remove(here, "n0")
    here.store.redis.hset(keys.DEPLOYMENT.at(), "n1", "{broken")
    assert versions(here) == ["v2"]
    assert [one.version for one in between(here, clock.now - 1, clock.now + 1)] == ["v2"]
    assert note(here, NewDeployment("v1"))[1]  # what can't be read is no version


def test_titles_come_on_one_line(here: Site) -> None:
    assert note(here, NewDeployment("v1", title=" Faster\n imports "))[0].title == "Faster imports"
    assert note(here, NewDeployment("v2", title=" "))[0].title is None
    assert deployments_service.page(here).total == 2
