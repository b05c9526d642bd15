"""The figures of many processes, while answers are lost and the store goes away, forgets and goes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from core import fleet as fleets
from core import keys
from tests.conftest import Valkey
from tests.core.fleets import Begin, Member, Wire, by_route

KEPT = (keys.METRICS, keys.METRICS_BASE, keys.METRICS_FAMILIES)


@pytest.fixture
def wire(valkey: Valkey) -> Iterator[Wire]:
    wire = Wire(valkey.socket)
    yield wire
    wire.close()


@pytest.fixture
def fragile(own_valkey: Callable[..., Valkey]) -> Valkey:
    """A store to stop; what it held is gone when it starts again."""
    return own_valkey()


def patiently(member: Member) -> None:
    """As if the second had passed for which a failing store is left alone."""
    member.fleet._quiet_until = 0.0


def test_a_flush_whose_answer_was_lost_is_counted_once(member: Begin, wire: Wire) -> None:
    behind, other = member(wire.url), member()
    behind.figures()
    behind.requests.labels("/a").inc(5)
    wire.loses.set()
    assert behind.figures().away
    assert other.total() == 5
    behind.requests.labels("/a").inc(2)
    wire.loses.clear()
    patiently(behind)
    assert behind.figures().away is None
    assert behind.total() == 7
    assert other.total() == 7


def test_with_the_store_away_the_last_figures_and_the_own_growth_are_served(member: Begin, fragile: Valkey) -> None:
    first, second = member(fragile.url), member(fragile.url)
    first.requests.labels("/a").inc(10)
    first.figures()
    second.requests.labels("/a").inc(1)
    assert second.total() == 11
    fragile.stop()
    second.requests.labels("/a").inc(4)
    second.requests.labels("/new").inc(1)
    figures = second.figures()
    assert figures.away == "the store can't be reached"
    assert by_route(figures) == {"/a": 15, "/new": 1}


def test_a_store_that_never_answered_leaves_each_process_its_own_figures(member: Begin) -> None:
    alone = member("unix:///tmp/no-such-socket")
    alone.requests.labels("/a").inc(2)
    assert alone.total() == 2
    assert alone.total("work_seconds_count") == 0


def test_while_the_store_fails_readers_do_not_wait_for_it_one_after_the_other(
    member: Begin, fragile: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleets, "QUIET_S", 600)  # the store's start may take its time
    one = member(fragile.url)
    one.figures()
    fragile.stop()
    assert one.figures().away
    fragile.start()
    assert one.figures().away, "it was asked again at once"
    patiently(one)
    assert one.figures().away is None


def test_a_store_that_was_emptied_is_given_the_totals_back(member: Begin) -> None:
    first, second = member(), member()
    first.requests.labels("/a").inc(100)
    first.figures()
    second.requests.labels("/a").inc(10)
    assert second.total() == 110
    first.store.redis.flushall()
    first.requests.labels("/a").inc(1)
    assert first.total() == 101, "what it has seen and its own growth"
    assert second.total() == 111, "the highest figure that any has seen"
    assert first.total() == 111
    assert member().total() == 111


def test_totals_go_on_growing_after_a_store_was_emptied_twice(member: Begin) -> None:
    first, second = member(), member()
    for _ in range(2):
        for one in (first, second):
            one.requests.labels("/a").inc(5)
            one.figures()
        first.figures()
        first.store.redis.flushall()
    assert (first.total(), second.total()) == (20, 20)


def test_a_store_that_went_back_in_time_does_not_take_counters_back(member: Begin) -> None:
    first, second = member(), member()
    first.requests.labels("/a").inc(100)
    first.figures()
    second.figures()
    marks = [keys.METRICS_SEQ.at(0, one.fleet.process) for one in (first, second)]
    old = {name: first.store.raw.dump(name) for name in [*(key.at() for key in KEPT), *marks]}
    first.requests.labels("/a").inc(10)
    second.requests.labels("/a").inc(5)
    assert first.total() == 110
    assert second.total() == 115
    for name, value in old.items():
        first.store.raw.delete(name)
        if value is not None:
            first.store.raw.restore(name, 0, value)
    second.requests.labels("/a").inc(1)
    assert second.total() == 116
    assert first.total() == 116


def test_a_restart_of_the_store_lowers_no_counter_that_anybody_was_shown(member: Begin, fragile: Valkey) -> None:
    members = [member(fragile.url) for _ in range(2)]
    shown = [0.0, 0.0]
    for turn in range(12):
        if turn in (4, 8):
            fragile.stop()
        if turn in (6, 9):
            fragile.start()
        for at, one in enumerate(members):
            one.requests.labels("/a").inc(turn + at)
            patiently(one)
            total = one.total()
            assert total >= shown[at]
            shown[at] = total
    everything = sum(2 * turn + 1 for turn in range(12))
    assert members[0].total() == everything
    assert members[1].total() == everything
