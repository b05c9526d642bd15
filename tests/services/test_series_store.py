"""Samples in their rings: what the roll-ups hold, for how long, and what a clock or a stranger can't spoil."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core import keys
from core.site import Site
from core.store import Store
from services import series_service, series_store, windows
from services.series_store import GAUGE_BYTES, MOST_SERIES, RINGS, SLOTS, Sample, Totals
from services.windows import Window
from tests.conftest import Valkey
from tests.services.sampled_series import (
    START,
    assert_same,
    at,
    by_hand,
    durations,
    gauge,
    last,
    means,
    readings,
    spans,
    total,
)

RING_S = [ring.step_s * ring.slots for ring in RINGS]
STEPS = st.lists(
    st.tuples(
        st.sampled_from([5.0, 5.0, 5.0, 13.7, 60.0, 599.0, 3_600.0, 50_000.0, *RING_S]),
        st.floats(-1e9, 1e9, allow_nan=False),
    ),
    min_size=1,
    max_size=25,
)
WRAPPING = [(5.0, float(value)) for value in range(8)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(offset=st.integers(0, 7_200), steps=STEPS)
@example(offset=3, steps=[*WRAPPING, (RING_S[0] - 40.0, 1.0), *WRAPPING])
@example(offset=3, steps=[*WRAPPING, (RING_S[1] - 40.0, 1.0), *WRAPPING])
@example(offset=3, steps=[*WRAPPING, (RING_S[2] - 40.0, 1.0), *WRAPPING])
@example(offset=3, steps=[*WRAPPING, (RING_S[3] - 40.0, 1.0), *WRAPPING])
def test_every_step_of_any_window_reads_what_was_sampled_in_it(
    site: Site, offset: int, steps: list[tuple[float, float]]
) -> None:
    site.store.redis.flushall()
    site, clock = at(site, START + offset)
    samples = list[tuple[float, float]]()
    for passes, value in steps:
        clock.now += passes
        gauge(site, value)
        samples.append((clock.now, value))
    for window in spans(clock.now):
        expected = by_hand(samples, window, clock.now)
        found = [each if each is None or each.count else None for each in readings(site, window)]
        assert_same(found, expected)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from([5.0, 5.0, 5.2, 17.0, 250.0, 3_000.0]), st.lists(st.integers(0, 9), min_size=3, max_size=3)
        ),
        min_size=1,
        max_size=15,
    )
)
def test_what_a_histogram_grew_by_is_in_every_roll_up_exactly(site: Site, grows: list[tuple[float, list[int]]]) -> None:
    site.store.redis.flushall()
    site, clock = at(site)
    totals = [7.0, 0.0, 1.0]
    durations(site, *totals)
    for passes, by in grows:
        clock.now += passes
        totals = [had + more for had, more in zip(totals, by, strict=True)]
        durations(site, *totals)
    for step_s in (10, 60, 600, 3_600):
        window = Window(int(START), step_s, int((clock.now - START) // step_s) + 1)
        steps = series_service.histograms(site, ["job_duration:mail"], window)["job_duration:mail"]
        found = series_service.together(steps) or series_service.Counts((), (0, 0, 0), 0)
        grown = [now - before for now, before in zip(totals, (7, 0, 1), strict=True)]
        assert found.counts[:3] == (tuple(grown) if step_s == 60 else pytest.approx(grown))
        assert found.sum == pytest.approx(sum(grown))


def test_a_rate_has_neither_gap_nor_spike_when_another_process_goes_on_after_a_while(site: Site) -> None:
    site, clock = at(site)
    other = replace(site, store=Store(site.store.url))
    for seconds in (0, 5, 10, 45, 50, 140, 145):
        clock.now = START + seconds
        total(other if seconds in (45, 50) else site, 1_000 + 3.0 * seconds)
    other.store.close()
    assert set(means(site, Window(int(START), 10, 15), "requests")) == {3.0}
    assert set(means(site, Window(int(START), 60, 3), "requests")) == {3.0}
    assert sum(each.count for each in readings(site, Window(int(START), 60, 3), "requests") if each) == 145 / 5


def test_two_samples_soon_after_each_other_tell_one_rate_and_lose_nothing(site: Site) -> None:
    site, clock = at(site)
    # Processes add what they counted every two seconds, so that in a moment a lot can seem to grow.
    for seconds, counted in ((0.0, 0.0), (5.0, 50.0), (5.3, 71.0), (10.0, 100.0), (12.0, 120.0), (15.0, 150.0)):
        clock.now = START + seconds
        total(site, counted)
        durations(site, counted)
    assert [each and (each.min, each.max) for each in readings(site, Window(int(START), 10, 2), "requests")] == [
        (10, 10)
    ] * 2
    (counts,) = series_service.histograms(site, ["job_duration:mail"], Window(int(START), 60, 1))["job_duration:mail"]
    assert counts and counts.total == 150


def test_what_a_counter_grew_by_in_an_outage_of_more_than_an_hour_is_left_a_gap(site: Site) -> None:
    site, clock = at(site)
    for seconds, counted in ((0, 0.0), (5, 10.0), (3_600, 7_200.0), (7_300, 99_999.0), (7_305, 100_009.0)):
        clock.now = START + seconds
        total(site, counted)
    found = means(site, Window(int(START), 60, 123), "requests")
    assert found[0] == pytest.approx(2.0) and found[59] == pytest.approx(2.0)
    assert found[61:121] == [None] * 60
    assert found[121] == 2.0


def test_a_total_that_shrank_counts_as_no_growth_and_what_follows_is_told(site: Site) -> None:
    site, clock = at(site)
    for counted in (500.0, 510.0, 3.0, 23.0):
        total(site, counted)
        durations(site, counted, counted)
        clock.now += 5
    assert [
        (each.min, each.max, each.mean) for each in readings(site, Window(int(START), 10, 2), "requests") if each
    ] == [
        (2.0, 2.0, 2.0),
        (0.0, 4.0, 2.0),
    ]
    window = Window(int(START), 60, 1)
    (counts,) = series_service.histograms(site, ["job_duration:mail"], window)["job_duration:mail"]
    assert counts and counts.counts[:2] == (30, 30)


def test_what_is_counted_among_others_may_change_without_a_spike(site: Site) -> None:
    site, clock = at(site)
    for counted, of in ((10.0, "a"), (13.0, "a"), (900.0, ""), (901.0, "")):
        durations(site, counted, of=of)
        clock.now += 5
    (counts,) = series_service.histograms(site, ["job_duration:mail"], Window(int(START), 60, 1))["job_duration:mail"]
    assert counts and counts.counts[0] == 4


def test_a_clock_that_is_put_back_destroys_nothing_newer_and_puts_it_right_after_an_hour(site: Site) -> None:
    site, clock = at(site)
    for _ in range(12):
        clock.now += 10
        gauge(site, 1.0)
    ahead = clock.now
    before = Window(int(START), 10, 13)
    clock.now = START - RING_S[0] + 10  # behind by a whole ring, so that it meets the very same places
    for _ in range(12):
        clock.now += 10
        gauge(site, 2.0)
    clock.now = ahead
    assert means(site, before) == [None, *[1.0] * 12]
    clock.now = START - 2 * RING_S[0] - 50
    for _ in range(37):  # it stood so for an hour: what was ahead of it was wrong
        clock.now += 100
        gauge(site, 2.0)
    clock.now = START - RING_S[0] + 20
    gauge(site, 3.0)
    assert means(site, last(site, 10)) == [3.0]
    assert means(site, Window(int(START) + 20, 10, 1)) == [None]


def test_a_clock_that_was_ahead_for_a_moment_and_is_put_right_leaves_the_series_whole(site: Site) -> None:
    site, clock = at(site)
    for jump in (0, 0, 400 * 86_400, -400 * 86_400, 0, 0):
        clock.now += 10 + jump
        gauge(site, 1.0)
        total(site, clock.now)
    clock.now = START + 60
    assert [each is not None and each.count > 0 for each in readings(site, Window(int(START), 10, 7))] == [
        False, True, True, False, True, True, True
    ]  # fmt: skip
    assert [each for each in means(site, Window(int(START), 10, 7), "requests")[2:] if each] == [1.0] * 5


def test_a_clock_that_goes_back_a_little_counts_in_the_same_slot_and_tells_no_rate(site: Site) -> None:
    site, clock = at(site)
    for seconds, value in ((20, 1.0), (25, 2.0), (21, 6.0), (26, 9.0)):
        clock.now = START + seconds
        gauge(site, value)
        total(site, value)
    (found,) = readings(site, Window(int(START) + 20, 10, 1))
    assert found == series_service.Reading(1.0, 9.0, 4.5, 9.0, 4)
    (rate,) = readings(site, Window(int(START) + 20, 10, 1), "requests")
    assert rate and (rate.min, rate.max, rate.count) == (0.2, 0.6, 2)


def test_an_emptied_store_begins_anew_without_a_spike(site: Site) -> None:
    site, clock = at(site)
    for counted in (0.0, 10.0):
        clock.now += 5
        total(site, counted)
    site.store.redis.flushall()
    for counted in (90_000.0, 90_010.0):
        clock.now += 5
        total(site, counted)
    assert means(site, Window(int(START), 60, 1), "requests") == [2.0]


def test_a_store_that_starts_again_has_all_of_it(own_valkey: Callable[..., Valkey], site: Site) -> None:
    valkey = own_valkey("--appendonly", "yes")
    store = Store(valkey.url)
    kept, clock = at(replace(site, store=store))
    for counted in (0.0, 10.0):
        clock.now += 5
        total(kept, counted)
        gauge(kept, counted)
    valkey.stop()
    valkey.start()
    clock.now += 5
    total(kept, 20.0)
    assert means(kept, Window(int(START), 60, 1), "requests") == [2.0]
    assert means(kept, Window(int(START), 60, 1)) == [5.0]
    store.close()


def test_of_more_series_than_fit_those_go_that_were_silent_longest(site: Site) -> None:
    site, clock = at(site)
    full = {f"tile:{number}": 1.0 for number in range(MOST_SERIES)}
    assert series_store.write(site, Sample(clock.now, gauges=full)) == 0
    clock.now += 3_600
    rest = dict(list(full.items())[5:])
    assert series_store.write(site, Sample(clock.now, gauges=rest | {"load1": 1.0})) == 0
    assert series_store.write(site, Sample(clock.now, gauges=full | {"load1": 1.0})) == 1
    known = series_service.names(site)
    assert len(known) == MOST_SERIES == len(site.store.redis.keys(f"{keys.SERIES_RECORDS.at()}*"))
    assert "load1" in known and "tile:0" not in known
    assert readings(site, last(site, 10), "load1")[-1] is not None


def test_a_former_series_is_forgotten_three_months_after_its_last_sample(site: Site) -> None:
    site, clock = at(site)
    gauge(site, 1.0)
    gauge(site, 1.0, "tile:former")
    key = keys.SERIES_RECORDS.at(0, "tile:former")
    assert 90 * 86_400 < site.store.redis.ttl(key) <= 91 * 86_400
    site.store.redis.expire(key, 5_000)
    clock.now += 3_600
    gauge(site, 1.0, "tile:former")
    assert site.store.redis.ttl(key) > 90 * 86_400  # told anew each hour
    clock.now += 92 * 86_400
    gauge(site, 1.0)
    assert series_service.names(site) == ("load1",)


def test_a_series_takes_the_same_room_for_ever_and_sixty_far_less_than_is_promised(
    own_valkey: Callable[..., Valkey], site: Site
) -> None:
    store = Store(own_valkey().url)
    kept, clock = at(replace(site, store=store))
    before = int(store.redis.info("memory")["used_memory"])
    durations = {f"job_duration:{agent}": Totals((9.0,) * 10, 1.0) for agent in range(20)}
    rates = {f"tile:rate{number}": 1.0 for number in range(10)}
    for _ in range(92):
        clock.now += 86_400 + 3_607
        series_store.write(kept, Sample(clock.now, {f"tile:{number}": 1.0 for number in range(30)}, rates, durations))
    took = int(store.redis.info("memory")["used_memory"]) - before
    assert len(series_service.names(kept)) == 60
    assert SLOTS * GAUGE_BYTES * 60 < took < 20 * 2**20
    assert store.redis.strlen(keys.SERIES_RECORDS.at(0, "tile:1")) == SLOTS * GAUGE_BYTES == 200_640
    store.close()


@pytest.mark.parametrize("what", ["a text", "a list", "another size"])
def test_what_else_stands_under_a_series_key_gives_way(site: Site, what: str) -> None:
    site, _ = at(site)
    key = keys.SERIES_RECORDS.at(0, "load1")
    if what == "a list":
        site.store.redis.rpush(key, "x")
    else:
        site.store.redis.set(key, "x" * (3 if what == "a text" else SLOTS * 16))
    site.store.redis.set(keys.SERIES_STATE.at(), "not MessagePack")
    gauge(site, 4.0)
    assert means(site, last(site, 10)) == [4.0]


@pytest.mark.parametrize("range_", windows.RANGES)
def test_a_range_comes_from_one_roll_up(range_: str) -> None:
    for now in (START, START + 1, START + 899, START + 14_399):
        assert len(series_store.parts(windows.of_range(range_, now), now)) == 1
