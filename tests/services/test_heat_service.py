"""How long jobs took over time, from the counters of minutes and hours of a real store and from random ones."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import keys
from core.site import Site
from core.store import Store
from services import heat_service, windows
from services.heat_service import CLASSES, EDGES_S, MOST_COLUMNS, class_of, counted_from_ms
from services.series_service import Counts
from services.windows import DAY_S, HOUR_S, RANGES, Window
from tests.services.reports import create, iso, tell
from tests.timed_jobs import NOON, after

NOW = 1_795_262_430.0
"""Half a minute after noon of 21 November 2026, UTC."""


@pytest.fixture
def frozen(site: Site) -> Site:
    return replace(site, clock=lambda: NOW)


def bucket(seconds: float) -> int:
    return math.floor(math.log(max(seconds * 1000, 1)) / math.log(1.1))


@pytest.mark.parametrize("edge_s", EDGES_S)
@pytest.mark.parametrize("beside_ms", [-1, 0])
def test_a_job_is_of_the_class_whose_real_bounds_it_lies_in(edge_s: float, beside_ms: int) -> None:
    took_ms = counted_from_ms(edge_s) + beside_ms
    assert class_of(bucket(took_ms / 1000)) == EDGES_S.index(edge_s) + beside_ms + 1
    assert abs(took_ms / 1000 / edge_s - 1) < 0.051


@pytest.mark.parametrize("name", RANGES)
def test_where_nothing_ended_there_are_columns_and_no_class(frozen: Site, name: str) -> None:
    window = windows.of_range(name, NOW)
    heat = heat_service.heat(frozen, window)
    assert (heat.classes, heat.most, heat.jobs) == ((), 0, 0)
    assert len(heat.columns) <= MOST_COLUMNS
    assert sum(column.lasts_s for column in heat.columns) == window.step_s * window.steps
    assert heat.columns[0].start == window.start


def test_real_jobs_are_counted_by_when_they_ended_and_how_long_they_took(site: Site) -> None:
    told = replace(site, clock=lambda: after(300).timestamp())
    for began, took in ((0, 5.0), (10, 5.0), (20, 95.0)):
        job = create(told, timestamp=iso(after(began)))
        tell(told, job, stage="work", timestamp=iso(after(began)))
        tell(told, job, status="completed", timestamp=iso(after(began + took)))
    heat = heat_service.heat(told, windows.of_range("15m", told.clock()))
    noon = int(NOON.timestamp())
    found = {
        (column.start - noon, (heat.classes[at].from_s, heat.classes[at].to_s)): ended
        for column in heat.columns
        for at, ended in enumerate(column.ended)
        if ended
    }
    assert found == {(0, (3.0, 10.0)): 2, (60, (60.0, 180.0)): 1}
    assert [each.from_s for each in heat.classes] == [1.0, 3.0, 10.0, 30.0, 60.0, 180.0], "one more on either side"
    assert (heat.most, heat.jobs) == (2, 3)


def test_hours_are_read_where_minutes_are_gone(frozen: Site, store: Store) -> None:
    hour = int(NOW // HOUR_S) - 24 * 20
    store.redis.hset(keys.HOUR.at(0, hour), mapping={f"d{bucket(4)}": 7, "completed": 7})
    heat = heat_service.heat(frozen, windows.of_range("30d", NOW))
    (column,) = [each for each in heat.columns if any(each.ended)]
    assert column.start <= hour * HOUR_S < column.start + column.lasts_s
    assert (heat.jobs, column.lasts_s) == (7, 12 * HOUR_S)


@pytest.mark.parametrize("edge", heat_service.EDGES_S)
def test_a_duration_well_inside_a_class_is_never_counted_in_another(edge: float) -> None:
    at = heat_service.EDGES_S.index(edge)
    assert class_of(bucket(edge * 1.11)) == at + 1
    assert class_of(bucket(edge / 1.11)) == at


def test_the_shortest_and_the_longest_have_classes_without_an_end() -> None:
    assert class_of(0) == 0
    assert class_of(999) == len(CLASSES) - 1
    assert (CLASSES[0].from_s, CLASSES[-1].to_s) == (0.0, None)


def test_a_histogram_is_shown_in_its_own_classes() -> None:
    bounds = (0.1, 1.0, 5.0, math.inf)
    steps = [None, Counts(bounds, (0, 0.5, 0, 2), 9.0), Counts(bounds, (0, 0.5, 0, 0), 1.0)]
    heat = heat_service.of_histogram(steps, bounds, Window(0, 60, 3))
    assert [(each.from_s, each.to_s) for each in heat.classes] == [(0, 0.1), (0.1, 1.0), (1.0, 5.0), (5.0, None)]
    assert [column.ended for column in heat.columns] == [(0, 0, 0, 0), (0, 0, 0, 2), (0, 1, 0, 0)]


def counters() -> st.SearchStrategy[dict[str, float]]:
    amounts = st.integers(1, 50) | st.floats(0.01, 5.0)
    names = st.integers(0, 220).map(lambda at: f"d{at}") | st.sampled_from(["completed", "duration_ms", "dx", "d1234"])
    return st.dictionaries(names, amounts, max_size=6)


@settings(max_examples=50)
@given(st.lists(counters(), min_size=1, max_size=150))
def test_every_job_is_in_one_cell_however_the_steps_are_put_together(steps: list[dict[str, float]]) -> None:
    heat = heat_service.of(steps, Window(0, HOUR_S, len(steps)))
    exact = Counter[int]()
    for sums in steps:
        for name, number in sums.items():
            if name[1:].isdigit() and len(name) < 5:
                exact[class_of(int(name[1:]))] += number  # type: ignore[assignment]
    told = Counter[int]()
    for column in heat.columns:
        for place, ended in enumerate(column.ended):
            assert ended >= 0
            told[CLASSES.index(heat.classes[place])] += ended
    assert {at: round(number) for at, number in exact.items() if round(number)} == {k: v for k, v in told.items() if v}
    assert len(heat.columns) <= MOST_COLUMNS
    assert sum(column.lasts_s for column in heat.columns) == len(steps) * HOUR_S


def test_columns_follow_each_other_over_the_change_of_the_clocks(frozen: Site) -> None:
    start = int(NOW // DAY_S) * DAY_S - 30 * DAY_S
    heat = heat_service.of([{}] * 60, Window(start, 12 * HOUR_S, 60))
    assert {each.lasts_s for each in heat.columns} == {12 * HOUR_S}
    assert [each.start for each in heat.columns] == list(range(start, start + 30 * DAY_S, 12 * HOUR_S))
