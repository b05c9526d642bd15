"""Sources of kind `http`, `metrics` and `prometheus`, asked of real servers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_text

from core import config
from core.fields import FieldError
from core.settings import read as read_settings
from core.site import Site
from services import tile_sources
from services.tile_sources import Context, NotYet, SourceError
from tests.conftest import TOKEN, free_port, wait_until
from tests.outside import Outside, answer, of_json
from tests.prometheus import Prometheus

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.fixture
def site(site: Site) -> Site:
    """A site that may reach loopback."""
    return replace(site, config=config.parse('[outgoing]\nallow = ["127.0.0.1", "localhost"]', {}))


def source(**said: Any) -> Any:
    """A source as headway.toml says it."""
    fields = ", ".join(f"{name} = {_toml(value)}" for name, value in said.items())
    (tile,) = config.parse(f'[[tiles]]\nid = "a"\nsource = {{ {fields} }}\n', {}).tiles or ()
    return tile.source


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(one)}" for name, one in value.items()) + "}"
    return json.dumps(value)


def why(site: Site, timeout_s: float = 5.0, **said: Any) -> str:
    """Why a source gives no value."""
    with pytest.raises(SourceError) as told:
        tile_sources.read(source(**said), Context(site, timeout_s))
    return str(told.value)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[CollectorRegistry, str]]:
    """A real exporter, as an app would have it, and its address."""
    registry = CollectorRegistry()
    server, thread = start_http_server(0, "127.0.0.1", registry)
    yield registry, f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    registry = CollectorRegistry()
    stock = Gauge("stock", "Stock", ("shelf",), registry=registry)
    stock.labels("a").set(3)
    stock.labels("b").set(4.5)
    exporter, thread = start_http_server(0, "127.0.0.1", registry)
    server = Prometheus(exporter.server_port)
    try:
        yield server.start()
    finally:
        server.close()
        exporter.shutdown()
        exporter.server_close()
        thread.join()


class TestHttp:
    @pytest.fixture(autouse=True)
    def answers(self, outside: Outside) -> None:
        outside.answers["/"] = of_json(
            {
                "data": {
                    "users": 42,
                    "text": "12.5",
                    "null": None,
                    "on": True,
                    "list": [3, 4],
                    "inf": 1e308,
                    "word": "many",
                }
            }
        )

    def read(self, site: Site, outside: Outside, path: str) -> int | float | None:
        return tile_sources.read(source(kind="http", url=outside.url + "/", path=path), Context(site, 5))

    @pytest.mark.parametrize(
        ("path", "value"),
        [("data.users", 42), ("data.text", 12.5), ("data.list[1]", 4), ("length(data.list)", 2), ("sum(data.list)", 7)],
    )
    def test_a_number_is_found_by_its_path(self, site: Site, outside: Outside, path: str, value: float) -> None:
        assert self.read(site, outside, path) == value
        assert "Accept: application/json\r\n" in outside.asked[0]

    @pytest.mark.parametrize(
        ("path", "told"),
        [
            ("data.user", "nothing stands at data.user of what {url}/ answered"),
            ("data.null", "nothing stands at data.null of what {url}/ answered"),
            ("data.on", "what stands at data.on is no number"),
            ("data.list", "what stands at data.list is no number"),
            ("data.word", "what stands at data.word is no number"),
            ("sum([data.inf, data.inf])", "what stands at sum([data.inf, data.inf]) is no finite number"),
        ],
    )
    def test_what_is_no_number_is_said_to_be_none(self, site: Site, outside: Outside, path: str, told: str) -> None:
        with pytest.raises(SourceError) as fault:
            self.read(site, outside, path)
        assert str(fault.value) == told.format(url=outside.url)

    def test_a_function_that_does_not_fit_is_told(self, site: Site, outside: Outside) -> None:
        assert "the path sum(data) does not fit what" in why(site, kind="http", url=f"{outside.url}/", path="sum(data)")

    @pytest.mark.parametrize(
        ("said", "told"),
        [
            (answer("<html>"), "answered what is no JSON"),
            (answer("[" * 100_000), "answered what is no JSON"),
            (answer('{"data": NaN}'), "answered what is no JSON"),
            (answer(b'"\xff"'), "answered what is no JSON"),
            (of_json({}, "500 Broken"), "answered 500"),
            (of_json({}, "401 No"), "answered 401: what it needs to let Headway in goes into headers"),
            (of_json({}, "404 No"), "answered 404: is the path right?"),
            (answer("", status="204 Nothing"), "answered 204"),
            (answer("", status="302 Found", Location="/login"), "answered 302 and leads to /login"),
        ],
    )
    def test_an_answer_of_no_use_is_told(self, site: Site, outside: Outside, said: bytes, told: str) -> None:
        outside.answers["/x"] = said
        assert told in why(site, kind="http", url=f"{outside.url}/x?key=hush", path="data")

    def test_a_hanging_server_is_given_up_in_time_and_its_secrets_kept(self, site: Site, outside: Outside) -> None:
        outside.answers["/"] = outside.silent
        told = why(
            site,
            0.2,
            kind="http",
            url=f"{outside.url}/?key=hush",
            path="data",
            headers={"Authorization": "Bearer hush"},
        )
        assert told == f"127.0.0.1:{outside.port} did not answer in full within 0.2 s"
        assert "Authorization: Bearer hush\r\n" in outside.asked[0]

    def test_what_is_not_allowed_is_refused_with_what_to_write(self, site: Site, outside: Outside) -> None:
        site = replace(site, config=config.parse("", {}))
        told = why(site, kind="http", url=f"http://localhost:{outside.port}/", path="data")
        assert told.endswith(f'put "localhost:{outside.port}" into allow of [outgoing] in headway.toml')
        assert outside.connections == 0

    def test_a_path_that_can_not_be_read_stops_the_start(self) -> None:
        with pytest.raises(FieldError, match=r"source\.path: is no JMESPath"):
            source(kind="http", url="https://app.example", path="data[")


class TestMetrics:
    @pytest.fixture
    def registry(self, served: tuple[CollectorRegistry, str]) -> Iterator[CollectorRegistry]:
        yield served[0]
        for collector in list(served[0]._collector_to_names):
            served[0].unregister(collector)

    @pytest.fixture
    def url(self, served: tuple[CollectorRegistry, str]) -> str:
        return served[1]

    @pytest.fixture
    def requests(self, registry: CollectorRegistry) -> Counter:
        counter = Counter("http_requests_total", "Requests", ("path", "status"), registry=registry)
        for path, status, times in (("/", "200", 10), ("/", "500", 2), ("/a", "200", 4), ("/a", "503", 1)):
            counter.labels(path, status).inc(times)
        return counter

    @pytest.mark.parametrize(
        ("said", "value"),
        [
            ({}, 17),
            ({"labels": {"path": "/"}}, 12),
            ({"labels": {"path": "/", "status": "500"}}, 2),
            ({"labels": {"status": "~5.."}}, 3),
            ({"labels": {"status": "~2..|503"}}, 15),
            ({"labels": {"nowhere": ""}}, 17),
            ({"take": "max"}, 10),
            ({"take": "min"}, 1),
            ({"take": "mean"}, 4.25),
        ],
    )
    def test_series_are_chosen_by_their_labels_and_made_one(
        self, site: Site, url: str, requests: Counter, said: dict[str, Any], value: float
    ) -> None:
        for name in ("http_requests_total", "http_requests"):
            assert tile_sources.read(source(kind="metrics", url=url, metric=name, **said), Context(site, 5)) == value

    def test_each_sample_of_a_histogram_has_its_name(self, site: Site, url: str, registry: CollectorRegistry) -> None:
        durations = Histogram("work_seconds", "Work", registry=registry, buckets=(1, 5))
        for took in (0.5, 3, 7):
            durations.observe(took)
        for name, labels, value in (
            ("work_seconds_count", {}, 3), ("work_seconds_sum", {}, 10.5), ("work_seconds_bucket", {"le": "5.0"}, 2),
        ):  # fmt: skip
            chosen = source(kind="metrics", url=url, metric=name, labels=labels)
            assert tile_sources.read(chosen, Context(site, 5)) == value

    def test_what_is_missing_is_told_with_what_is_like_it(self, site: Site, url: str, requests: Counter) -> None:
        assert (
            why(site, kind="metrics", url=url, metric="http_request_total")
            == "there is no metric http_request_total; there is http_requests_total"
        )
        assert why(site, kind="metrics", url=url, metric="zzz") == "there is no metric zzz"
        assert (
            why(site, kind="metrics", url=url, metric="http_requests_total", labels={"path": "~x"})
            == "none of the 4 series of http_requests_total has the labels that are asked for"
        )

    def test_a_figure_that_is_no_number_is_no_value(self, site: Site, url: str, registry: CollectorRegistry) -> None:
        Gauge("odd", "Odd", registry=registry).set(float("nan"))
        assert why(site, kind="metrics", url=url, metric="odd") == "the value is no finite number"

    def test_a_rate_is_what_came_between_two_scrapes_by_the_second(
        self, site: Site, url: str, requests: Counter
    ) -> None:
        context = Context(site, 5)
        chosen = source(kind="metrics", url=url, metric="http_requests_total", rate=True)
        with pytest.raises(NotYet):
            tile_sources.read(chosen, context)
        first = context.before["taken"].at
        requests.labels("/", "200").inc(60)
        requests.labels("/new", "200").inc(40)
        rate = tile_sources.read(chosen, context)
        assert rate == pytest.approx(100 / (context.before["taken"].at - first))
        assert tile_sources.read(chosen, context) == 0

    def test_a_counter_that_fell_began_anew(self, site: Site, outside: Outside) -> None:
        context = Context(site, 5)
        chosen = source(kind="metrics", url=outside.url + "/", metric="a_total", rate=True)
        taken = []
        for figures in ('a_total{x="1"} 100\na_total{x="2"} 50\n', 'a_total{x="1"} 7\na_total{x="2"} 53\n'):
            outside.answers["/"] = answer(f"# TYPE a_total counter\n{figures}")
            try:
                rate = tile_sources.read(chosen, context)
            except NotYet:
                rate = None
            taken.append(context.before["taken"].at)
        assert rate == pytest.approx(10 / (taken[1] - taken[0]))

    def test_a_rate_of_what_never_happened_is_zero(self, site: Site, url: str, requests: Counter) -> None:
        context = Context(site, 5)
        chosen = source(kind="metrics", url=url, metric="http_requests_total", rate=True, labels={"status": "418"})
        with pytest.raises(NotYet):
            tile_sources.read(chosen, context)
        assert tile_sources.read(chosen, context) == 0

    def test_openmetrics_is_read_as_well(
        self, site: Site, outside: Outside, registry: CollectorRegistry, requests: Counter
    ) -> None:
        text = openmetrics_text(registry)
        outside.answers["/"] = answer(text, OPENMETRICS)
        chosen = source(kind="metrics", url=outside.url + "/", metric="http_requests_total", labels={"status": "~5.."})
        assert tile_sources.read(chosen, Context(site, 5)) == 3
        outside.answers["/"] = answer(text.removesuffix(b"# EOF\n"), OPENMETRICS)
        assert why(site, kind="metrics", url=outside.url + "/", metric="http_requests_total") == (
            "the metrics end before their mark # EOF"
        )

    @pytest.mark.parametrize(
        ("said", "told"),
        [
            (answer("<html>", "text/html; charset=utf-8"), "answered text/html, which holds no metrics"),
            (answer("{}", "application/json"), "answered application/json, which holds no metrics"),
            (answer('a_total{x="1} 3\n'), "the metrics can't be read"),
            (answer("a_total many\n"), "the metrics can't be read"),
            (answer("a_total 1 2 3 4\n", OPENMETRICS), "the metrics end before"),
            (answer("a_total{} 1 # {x=1} # EOF\n# EOF\n", OPENMETRICS), "the metrics can't be read"),
            (answer(""), "there is no metric a_total"),
            (answer(b"\xff\xfe\x00"), "there is no metric a_total"),
        ],
    )
    def test_metrics_that_can_not_be_read_are_told(self, site: Site, outside: Outside, said: bytes, told: str) -> None:
        outside.answers["/"] = said
        assert told in why(site, kind="metrics", url=outside.url + "/", metric="a_total")

    def test_a_line_that_can_not_be_read_spoils_only_its_own_metric(self, site: Site, outside: Outside) -> None:
        outside.answers["/"] = answer('broken{x="1\nbroken_too 1 2 3 4\na_total 5\nnot at all\n')
        assert tile_sources.read(source(kind="metrics", url=outside.url + "/", metric="a_total"), Context(site, 5)) == 5


class TestPrometheus:
    @pytest.fixture
    def site(self, site: Site, prometheus: Prometheus) -> Site:
        """A site whose operator named Prometheus in the environment, and allowed nothing."""
        settings = read_settings({"PROMETHEUS_URL": prometheus.url, "HEADWAY_TOKEN": TOKEN})
        one = replace(site, settings=settings, config=config.parse("", {}))

        def scraped() -> object:
            try:
                return tile_sources.read(source(kind="prometheus", query="count(stock)"), Context(one, 5)) == 2
            except SourceError:
                return False

        wait_until(scraped, what="what Prometheus scraped first")
        return one

    @pytest.mark.parametrize(
        ("query", "value"), [("sum(stock)", 7.5), ('stock{shelf="a"}', 3), ("1 + 1", 2), ("vector(0)", 0)]
    )
    def test_a_query_of_one_value_is_answered(self, site: Site, query: str, value: float) -> None:
        assert tile_sources.read(source(kind="prometheus", query=query), Context(site, 5)) == value

    @pytest.mark.parametrize(
        ("query", "told"),
        [
            ("nothing", "the query answers no series"),
            ("stock", "the query answers 2 series: make them one, for example with sum(…)"),
            ("stock[5m]", "the query answers a matrix, not a number a series: take its range away"),
            ('"text"', "the query answers a string, not a number a series: take its range away"),
            ("sum(stock", "Prometheus says: invalid parameter"),
            ("0 / 0", "what the query answers is no finite number"),
            ("1 / 0", "what the query answers is no finite number"),
        ],
    )
    def test_what_is_not_one_value_is_told(self, site: Site, query: str, told: str) -> None:
        assert why(site, kind="prometheus", query=query).startswith(told)

    def test_a_source_may_name_another_prometheus_which_has_to_be_allowed(
        self, site: Site, prometheus: Prometheus
    ) -> None:
        other = Outside()
        other.answers["/prefix/api/v1/query"] = of_json(
            {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1.5, "8"]}]}}
        )
        told = why(site, kind="prometheus", query="up", url=f"{other.url}/prefix/")
        assert told.endswith("into allow of [outgoing] in headway.toml")
        allowing = replace(site, config=config.parse('[outgoing]\nallow = ["127.0.0.1"]', {}))
        chosen = source(kind="prometheus", query="up > 0", url=f"{other.url}/prefix/", headers={"X-Scope-OrgID": "7"})
        assert tile_sources.read(chosen, Context(allowing, 5)) == 8
        assert other.asked[0].startswith("GET /prefix/api/v1/query?query=up+%3E+0&timeout=5000ms HTTP/1.1\r\n")
        assert "X-Scope-OrgID: 7\r\n" in other.asked[0]
        other.close()

    def test_a_user_in_prometheus_url_signs_in(self, site: Site, outside: Outside) -> None:
        outside.answers["/api/v1/query"] = of_json({"status": "error", "errorType": "x", "error": "over\nload \x1b[1m"})
        settings = replace(site.settings, prometheus_url=f"http://me:p%40ss@127.0.0.1:{outside.port}")
        told = why(replace(site, settings=settings), kind="prometheus", query="up")
        assert told == "Prometheus says: over load [1m"
        assert "Authorization: Basic bWU6cEBzcw==\r\n" in outside.asked[0]

    @pytest.mark.parametrize(
        "said", [answer("<html>"), of_json([]), of_json({"status": "success"}), answer("nope", status="502 Bad")]
    )
    def test_what_is_no_prometheus_is_told(self, site: Site, outside: Outside, said: bytes) -> None:
        outside.answers["/api/v1/query"] = said
        settings = replace(site.settings, prometheus_url=outside.url)
        assert why(replace(site, settings=settings), kind="prometheus", query="up").startswith("Prometheus ")

    def test_a_prometheus_that_is_gone_is_told(self, site: Site) -> None:
        port = free_port()
        settings = replace(site.settings, prometheus_url=f"http://127.0.0.1:{port}")
        begun = time.monotonic()
        told = why(replace(site, settings=settings), kind="prometheus", query="up")
        assert told == f"nothing listens at 127.0.0.1:{port}"
        assert time.monotonic() - begun < 5
