"""Reading a window of series: as many readings as it has steps, gaps as gaps, and percentiles out of buckets."""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.site import Site
from core.store import Store, StoreError
from services import series_catalog, series_service, series_store, windows
from services.series_service import Counts, Reading, percentile
from services.series_store import Sample
from services.windows import Window
from tests.services.sampled_series import START, at, durations, gauge, last, means, readings

BOUNDS = series_catalog.of("request_duration").bounds


@pytest.mark.parametrize("range_", windows.RANGES)
def test_where_nothing_was_sampled_every_step_is_unknown(site: Site, range_: str) -> None:
    window = windows.of_range(range_, site.clock())
    assert readings(site, window) == (None,) * window.steps
    assert series_service.histograms(site, ["request_duration"], window) == {"request_duration": (None,) * window.steps}
    assert series_service.read(site, [], window) == {}


@pytest.mark.parametrize("range_", windows.RANGES)
def test_one_point_is_in_the_present_step_alone(site: Site, range_: str) -> None:
    site, _ = at(site, START + 4_321)
    gauge(site, 2.5)
    window = windows.of_range(range_, site.clock())
    assert readings(site, window) == (*(None,) * (window.steps - 1), Reading(2.5, 2.5, 2.5, 2.5, 1))


def test_several_series_come_at_once_and_each_has_its_own(site: Site) -> None:
    site, clock = at(site)
    series_names = {f"tile:{number}": float(number) for number in range(30)}
    series_store.write(site, Sample(clock.now, gauges=series_names))
    found = series_service.read(site, [*series_names, "tile:never"], last(site, 20))
    assert {name: steps[-1].mean for name, steps in found.items() if steps[-1]} == series_names
    assert found["tile:never"] == (None, None)


def test_up_to_two_slots_that_nobody_sampled_are_bridged_and_three_are_a_gap(site: Site) -> None:
    site, clock = at(site)
    for seconds in (0, 30, 70, 110):
        clock.now = START + seconds
        gauge(site, float(seconds))
    found = readings(site, Window(int(START), 10, 12))
    assert [each and each.mean for each in found] == [0, 10, 20, 30, None, None, None, 70, None, None, None, 110]
    assert [each and each.count for each in found[:4]] == [1, 0, 0, 1]
    clock.now = START + 140
    gauge(site, 80.0)
    assert means(site, last(site, 40)) == [110, 100, 90, 80]


def test_where_only_a_coarser_roll_up_is_kept_its_value_stands_for_each_step(site: Site) -> None:
    site, clock = at(site)
    for value in (1.0, 2.0, 9.0):
        clock.now += 10
        gauge(site, value)
    clock.now = START + 2 * 3_600
    assert readings(site, Window(int(START), 10, 6)) == (Reading(1.0, 9.0, 4.0, 9.0, 1),) * 6
    clock.now = START + 30 * 3_600
    assert readings(site, Window(int(START), 60, 10)) == (Reading(1.0, 9.0, 4.0, 9.0, 1),) * 10
    clock.now = START + 90 * 86_400
    assert readings(site, Window(int(START), 900, 5)) == (*(Reading(1.0, 9.0, 4.0, 9.0, 1),) * 4, None)


def test_a_window_may_reach_into_the_future_and_from_before_history(site: Site) -> None:
    site, clock = at(site)
    gauge(site, 1.0)
    assert readings(site, Window(int(START) + 3_600, 60, 10)) == (None,) * 10
    window = Window(int(START) - 100 * 86_400, 86_400, 103)
    found = readings(site, window)
    assert [place for place, each in enumerate(found) if each] == [100]
    assert clock.now < window.end


def test_a_step_in_which_nothing_ended_is_zero_and_one_in_which_nobody_looked_is_unknown(site: Site) -> None:
    site, clock = at(site)
    durations(site, 5.0)
    clock.now += 60
    durations(site, 5.0)
    steps = series_service.histograms(site, ["job_duration:mail"], Window(int(START), 60, 3))["job_duration:mail"]
    assert [each and each.total for each in steps] == [0, 0, None]
    assert percentile(steps[0], 0.5) is None and percentile(None, 0.5) is None
    assert series_service.together([None, None]) is None


@settings(max_examples=40)
@given(st.lists(st.floats(1e-4, 9.9), min_size=1, max_size=200), st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_lies_in_the_bucket_of_the_value_at_its_rank(values: list[float], share: float) -> None:
    fell = [0.0] * len(BOUNDS)
    for value in values:
        fell[bisect_left(BOUNDS, value)] += 1
    exact = sorted(values)[math.ceil(share * len(values) - 1e-9) - 1]
    upper = bisect_left(BOUNDS, exact)
    found = percentile(Counts(BOUNDS, tuple(fell), sum(values)), share)
    assert found is not None
    assert (BOUNDS[upper - 1] if upper else 0.0) <= found <= BOUNDS[upper] + 1e-12


def test_percentiles_go_on_a_line_within_a_bucket_and_end_at_the_last_bound(site: Site) -> None:
    counts = Counts((1.0, 2.0, 4.0, math.inf), (0, 10, 10, 0), 0.0)
    assert [percentile(counts, share) for share in (0.05, 0.25, 0.5, 0.75, 1.0)] == [1.1, 1.5, 2.0, 3.0, 4.0]
    assert percentile(Counts((1.0, 2.0, 4.0, math.inf), (0, 0, 0, 3), 0.0), 0.5) == 4.0


def test_percentiles_of_a_day_are_those_of_all_its_values_within_a_bucket(site: Site) -> None:
    site, clock = at(site)
    bounds = series_catalog.of("job_duration:mail").bounds
    values, totals, chance = list[float](), [0.0] * len(bounds), random.Random(7)
    durations(site)
    for _ in range(200):
        clock.now += 300
        took = [chance.lognormvariate(2, 1.5) for _ in range(5)]
        for value in took:
            totals[bisect_left(bounds, value)] += 1
        values += took
        durations(site, *totals)
    window = windows.of_range("24h", clock.now)
    day = series_service.together(series_service.histograms(site, ["job_duration:mail"], window)["job_duration:mail"])
    assert day and day.counts == tuple(totals)
    for share in (0.5, 0.95, 0.99):
        exact = sorted(values)[math.ceil(share * len(values)) - 1]
        low, high = next((low, high) for low, high in pairwise((0.0, *bounds)) if low < exact <= high)
        assert low <= (percentile(day, share) or 0) <= high


def test_an_unknown_histogram_is_an_error_and_so_is_a_store_that_is_away(site: Site) -> None:
    window = windows.of_range("1h", site.clock())
    with pytest.raises(KeyError):
        series_service.histograms(site, ["nothing"], window)
    away = replace(site, store=Store("unix:///tmp/no-such-socket"))
    with pytest.raises(StoreError):
        series_service.read(away, ["load1"], window)
    with pytest.raises(StoreError):
        series_service.histograms(away, ["request_duration"], window)
