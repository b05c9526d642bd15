"""The figures of many processes, kept together in a real store."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import fleet as fleets
from core import keys, series
from core.store import Store
from tests.conftest import wait_until
from tests.core.fleets import Begin, Member, by_route


def test_every_process_answers_for_all(member: Begin) -> None:
    first, second = member(), member()
    first.requests.labels("/a").inc(3)
    second.requests.labels("/a").inc(4)
    second.requests.labels("/b").inc()
    second.figures()
    assert by_route(first.figures()) == {"/a": 7, "/b": 1}
    assert by_route(second.figures()) == {"/a": 7, "/b": 1}


def test_a_histogram_merges_with_all_its_buckets(member: Begin) -> None:
    first, second = member(), member()
    first.seconds.labels("x").observe(0.05)
    second.seconds.labels("x").observe(5)
    second.figures()
    figures = first.figures()
    found = ((series.parse(name), value) for name, value in figures.values.items())
    assert {each.labels["le"]: value for each, value in found if each.suffix == "_bucket"} == {
        "0.1": 1, "1.0": 1, "10.0": 2, "+Inf": 2,
    }  # fmt: skip
    assert figures.totals["work_seconds_count"] == 2
    assert figures.totals["work_seconds_sum"] == pytest.approx(5.05)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(("/a", "/b", 'c"\n\\')), st.floats(0, 1e6), st.booleans()),
        max_size=30,
    )
)
def test_the_merged_figures_are_the_sums_of_the_processes_however_they_flush(
    store: Store, steps: list[tuple[int, str, float, bool]]
) -> None:
    store.redis.flushall()
    members = [Member(store.url) for _ in range(3)]
    expected: dict[str, float] = {}
    for who, route, by, flushes in steps:
        members[who].requests.labels(route).inc(by)
        expected[route] = expected.get(route, 0.0) + by
        if flushes:
            members[who].figures()
    for one in members:
        one.figures()
    for one in members:
        assert by_route(one.figures()) == pytest.approx(expected)
        one.store.close()


@pytest.mark.parametrize(("name", "merged"), [("open", 11), ("oldest", 8), ("first", 3), ("latest", 8)])
def test_gauges_merge_as_they_were_declared(member: Begin, name: str, merged: float) -> None:
    first, second = member(), member()
    for one, value in ((first, 3), (second, 8)):
        for gauge in (one.open, one.oldest, one.first, one.latest):
            gauge.set(value)
        one.figures()
    assert second.total(name) == merged


def test_a_gauge_that_is_no_number_takes_no_other_figure_with_it(member: Begin) -> None:
    one, other = member(), member()
    one.open.set(float("nan"))
    one.requests.labels("/a").inc()
    assert one.total() == 1
    assert other.total() == 1


def test_a_process_that_left_takes_its_gauges_along_and_leaves_its_counts(member: Begin) -> None:
    leaving, staying = member(), member()
    leaving.open.set(5)
    leaving.figures()
    leaving.requests.labels("/a").inc(2)
    leaving.fleet.stop()
    assert staying.total("open") == 0
    assert staying.total() == 2
    assert staying.store.redis.zrange(keys.PROCESSES.at(), 0, -1) == [staying.fleet.process]


def test_a_process_that_was_not_heard_for_long_counts_as_gone(member: Begin) -> None:
    silent, living = member(), member()
    silent.open.set(5)
    silent.figures()
    living.store.redis.zadd(keys.PROCESSES.at(), {silent.fleet.process: 1})
    assert living.total("open") == 0
    assert 0 < living.store.redis.ttl(keys.PROCESS.at(0, silent.fleet.process)) <= fleets.HEARTBEAT_S


def test_a_background_flush_brings_the_counts_to_the_store(member: Begin) -> None:
    busy, other = member(), member()
    busy.fleet.start()
    busy.requests.labels("/a").inc()
    wait_until(lambda: other.total() == 1)
    busy.fleet.stop()


def test_past_the_limit_new_series_count_under_other(member: Begin) -> None:
    bounded, other = member(most_series=30), member(most_series=30)
    for number in range(1_000):
        bounded.requests.labels(f"/{number}").inc()
        other.requests.labels(f"/x{number}").inc()
    bounded.figures()
    other.figures()
    for one in (bounded, other):
        routes = by_route(one.figures())
        assert len(routes) <= 31
        assert sum(routes.values()) == 2_000
        assert routes["other"] > 1_900
    bounded.requests.labels("/999").inc()
    assert sum(by_route(bounded.figures()).values()) == 2_001
    assert len(by_route(bounded.figures())) <= 31


def test_a_damaged_figure_in_the_store_is_begun_anew(member: Begin) -> None:
    one = member()
    one.requests.labels("/a").inc()
    one.figures()
    one.store.redis.hset(keys.METRICS.at(), series.spell("requests", "_total", {"route": "/a"}), "not a number")
    one.requests.labels("/a").inc(2)
    assert one.total() == 2


def test_many_threads_read_and_count_at_once_and_nothing_is_lost(member: Begin) -> None:
    one = member()

    def work() -> None:
        for _ in range(20):
            one.requests.labels("/a").inc()
            one.figures()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one.total() == 160
    assert member().total() == 160


def test_all_processes_tell_the_same_figure_to_the_last_bit(member: Begin) -> None:
    processes = [member() for _ in range(3)]
    for number in range(30):
        processes[number % 3].seconds.labels("x").observe(0.0001234567891 * (number + 1))
    for one in processes:
        one.figures()
    told = {one.total("work_seconds_sum") for one in processes}
    assert len(told) == 1, "a sum that is less elsewhere by one bit looks like a counter that began anew"


def test_what_a_process_tells_of_itself_can_be_read(member: Begin) -> None:
    one = member()
    one.fleet.role = "duties"
    one.figures()
    ((name, heard_at, about),) = fleets.processes(one.store)
    assert (name, about.role) == (one.fleet.process, "duties")
    assert about.started_at <= heard_at + 0.001  # which the store tells in whole milliseconds
    assert about.rss_bytes > 2**20


def test_a_histogram_that_became_a_gauge_shows_no_buckets(member: Begin) -> None:
    families: dict[str, Any] = {"work_seconds": series.Family("gauge", "Work.", "sum")}
    values = {
        series.spell("work_seconds", "_bucket", {"kind": "x", "le": "+Inf"}): 1.0,
        series.spell("work_seconds", "", {}): 2.0,
    }
    (metric,) = series.metrics(families, values)
    assert [(sample.name, sample.value) for sample in metric.samples] == [("work_seconds", 2.0)]
