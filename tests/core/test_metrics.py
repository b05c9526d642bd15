"""What is measured of requests, and the texts that a scrape gets, checked by the parsers that will read them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask, abort
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from core import metrics
from core.fleet import Fleet
from core.instrument import Requests
from core.site import Site
from core.store import Store
from tests.core.fleets import assert_valid

HOSTILE = (
    'quote"',
    "back\\slash",
    "new\nline",
    "\\n",
    "{}",
    "é\U0001f600",
    "‮bidi",
    "",
    " ",
    "\t\r",
    'a="b",c',
    "# EOF",
)


class Counted:
    """A small application whose requests are counted in a registry of its own."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.counter = Counter("requests_total", "x", ("method", "route", "status"), registry=registry)
        self.durations = Histogram("seconds", "x", ("method", "route"), registry=registry)
        self.registry = registry
        app = Flask(__name__)
        app.add_url_rule("/jobs/<int:number>", view_func=lambda number: abort(number) if number > 399 else "fine",
                         endpoint="job", methods=["GET", "PUT"])  # fmt: skip
        app.add_url_rule("/broken", view_func=lambda: 1 / 0, endpoint="broken")
        app.wsgi_app = Requests(app.wsgi_app, self.counter, self.durations)  # type: ignore[method-assign]
        self.client = app.test_client()

    def counts(self) -> dict[tuple[str, str, str], float]:
        samples = next(iter(self.counter.collect())).samples
        return {(s.labels["method"], s.labels["route"], s.labels["status"]): s.value for s in samples}


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def lonely(site: Site) -> Iterator[Site]:
    """A site whose figures are of a registry of its own."""
    yield replace(site, fleet=Fleet(site.store, CollectorRegistry()))


def test_requests_count_by_their_rule_and_status(counted: Counted) -> None:
    for path in ("/jobs/1", "/jobs/2", "/jobs/404"):
        counted.client.get(path)
    counted.client.put("/jobs/3")
    assert counted.counts() == {
        ("GET", "/jobs/<int:number>", "200"): 2,
        ("GET", "/jobs/<int:number>", "404"): 1,
        ("PUT", "/jobs/<int:number>", "200"): 1,
    }
    assert counted.registry.get_sample_value("seconds_count", {"method": "GET", "route": "/jobs/<int:number>"}) == 3


def test_paths_that_match_nothing_are_one_series_however_many_there_are(counted: Counted) -> None:
    for number in range(200):
        counted.client.get(f"/no/such/{number}")
    assert counted.counts() == {("GET", "unmatched", "404"): 200}


def test_methods_that_nobody_knows_are_one_series(counted: Counted) -> None:
    for number in range(50):
        counted.client.open("/no", method=f"MADE-UP-{number}")
    assert set(counted.counts()) == {("other", "unmatched", "404")}


def test_a_view_that_breaks_counts_as_500(counted: Counted) -> None:
    counted.client.get("/broken")
    assert counted.counts() == {("GET", "/broken", "500"): 1}


def test_instrumentation_costs_a_request_less_than_a_flask_view_by_far(counted: Counted) -> None:
    """A ratio, since only that holds on every machine; `bench/` has the microseconds."""

    def bare(environ, start_response):  # type: ignore[no-untyped-def]
        start_response("200 OK", [])
        return [b""]

    wrapped = Requests(bare, counted.counter, counted.durations)
    environ = {"REQUEST_METHOD": "GET"}

    def seconds(call) -> float:  # type: ignore[no-untyped-def]
        def once() -> float:
            begin = time.perf_counter()
            for _ in range(300):
                call()
            return time.perf_counter() - begin

        return min(once() for _ in range(5))

    assert seconds(lambda: wrapped(environ, lambda *_: None)) < seconds(lambda: counted.client.get("/jobs/1")) / 4


def test_hostile_label_values_reach_a_scrape_unharmed(store: Store, lonely: Site) -> None:
    registry = lonely.fleet.registry
    counter = Counter("headway_hostile_total", "Hostile \\ \n names.", ("name",), registry=registry)
    histogram = Histogram("headway_hostile_seconds", "Hostile.", ("name",), registry=registry)
    for name in HOSTILE:
        counter.labels(name).inc()
        histogram.labels(name).observe(0.1)
    plain = metrics.to_prometheus_format(lonely)
    assert_valid(plain, metrics.to_prometheus_format(lonely, openmetrics=True))
    found = {sample.labels["name"] for family in parse_plain(plain) for sample in family.samples}
    assert found == set(HOSTILE)


def test_the_text_is_made_at_most_once_a_second(lonely: Site) -> None:
    made = []
    lonely.fleet.sources.append(lambda: made.append(1) or [])  # type: ignore[func-returns-value]
    began = time.monotonic()
    for _ in range(50):
        metrics.to_prometheus_format(lonely)
    assert len(made) <= time.monotonic() - began + 1


def test_a_source_that_fails_shows_what_it_last_said_and_harms_no_other(lonely: Site) -> None:
    answers = iter([1.0, None])

    def source() -> Iterator[GaugeMetricFamily]:
        value = next(answers)
        if value is None:
            lonely.store.redis.execute_command("NO-SUCH-COMMAND")
        yield GaugeMetricFamily("headway_from_source", "x", value=value)

    lonely.fleet.sources.append(source)
    assert "headway_from_source 1.0" in metrics.to_prometheus_format(lonely)
    assert "headway_from_source 1.0" in metrics.to_prometheus_format(lonely, openmetrics=True)
    assert next(answers, "asked twice") == "asked twice"


def test_the_dictionary_has_every_figure_by_its_short_name(site: Site) -> None:
    before = metrics.to_dict(site)
    metrics.CACHE_HITS.labels(cache="x").inc(3)
    metrics.CACHE_HITS.labels(cache="y").inc()
    metrics.CACHE_MISSES.labels(cache="x").inc()
    after = metrics.to_dict(site)
    assert after["cache_hits_total"] - before["cache_hits_total"] == 4  # type: ignore[operator]
    assert 0 < after["cache_hit_rate"] <= 100  # type: ignore[operator]
    assert {"uptime_seconds", "dashboard_refresh_total", "htmx_events_total", "http_requests_total",
            "http_request_duration_seconds_count", "redis_latency_seconds_sum"} <= set(after)  # fmt: skip
    assert not [name for name in after if name.startswith("headway_")]


def test_without_a_site_the_figures_are_this_process_s_own() -> None:
    before = metrics.to_dict()["htmx_events_total"]
    metrics.HTMX_EVENTS.labels(panel="x").inc()
    assert metrics.to_dict()["htmx_events_total"] == before + 1  # type: ignore[operator]
    assert 'headway_htmx_events_total{panel="x"}' in metrics.to_prometheus_format()


def test_the_hit_rate_of_a_cache_that_nobody_asked_is_unknown_and_not_zero() -> None:
    assert metrics.hit_rate(0, 0) is None
    assert metrics.hit_rate(0, 3) == 0.0
    assert metrics.hit_rate(2, 1) == 66.67
