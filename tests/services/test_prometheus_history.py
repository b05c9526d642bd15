"""Long spans from Prometheus: what is asked, how few times, and what becomes of a chart when there is no good answer."""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from core import config, keys
from core.fields import FieldError
from core.settings import read as read_settings
from core.site import Site
from services import (
    chart_source,
    prometheus_history,
    prometheus_queries,
    prometheus_ranges,
    series_catalog,
    series_service,
    series_store,
    windows,
)
from services.prometheus_history import Told
from services.series_store import Sample, Totals
from services.windows import DAY_S, HOUR_S, MINUTE_S, Window
from tests.conftest import TOKEN, free_port, wait_until
from tests.outside import Outside, answer, of_json

RANGE = "/api/v1/query_range"
WINDOW = Window(1_790_000_000 // HOUR_S * HOUR_S, HOUR_S, 10 * 24)


@pytest.fixture
def site(site: Site, outside: Outside) -> Iterator[Site]:
    """At the end of WINDOW, with an `outside` that stands for Prometheus."""
    yield pointed(replace(site, clock=lambda: float(WINDOW.end)), outside.url)
    outside.close()
    wait_until(lambda: not prometheus_history._flights, what="the end of what was asked")


def pointed(site: Site, url: str, declared: str = "") -> Site:
    settings = read_settings({"PROMETHEUS_URL": url, "HEADWAY_TOKEN": TOKEN})
    return replace(site, settings=settings, config=config.parse(f"[prometheus]\n{declared}", {}))


def _key(site: Site, *names: str) -> str:
    return prometheus_history._key(site.settings.prometheus_url or "", names, WINDOW, site.config.prometheus)


def matrix(*lines: tuple[dict[str, str], Sequence[tuple[float, str]]]) -> bytes:
    result = [{"metric": labels, "values": values} for labels, values in lines]
    return of_json({"status": "success", "data": {"resultType": "matrix", "result": result}})


def told(site: Site, *names: str, window: Window = WINDOW) -> Told:
    return prometheus_history.told(site, names, window)


def requests(outside: Outside) -> list[dict[str, str]]:
    """What was asked, a query each."""
    targets = [head.split(" ")[1] for head in outside.asked]
    return [{name: values[0] for name, values in parse_qs(urlsplit(each).query).items()} for each in targets]


def test_a_step_is_what_was_evaluated_at_its_end(site: Site, outside: Outside) -> None:
    ends = WINDOW.start + HOUR_S
    values = [(ends, "7200"), (ends + HOUR_S, "NaN"), (ends + 2 * HOUR_S, "+Inf"), (ends + 3 * HOUR_S, "3600.0")]
    outside.answers[RANGE] = matrix(({"figure": "ingest_updates"}, values))
    found = told(site, "ingest_updates").values["ingest_updates"]
    assert found[:5] == [2.0, None, None, 1.0, None]
    assert len(found) == WINDOW.steps
    for each in requests(outside):
        asked = {name: int(each[name]) for name in ("start", "end", "step")}
        assert asked == {"start": ends, "end": WINDOW.end, "step": HOUR_S}
        assert "[3600s]" in each["query"]


def test_what_lies_beside_the_steps_or_outside_of_the_window_is_left_out(site: Site, outside: Outside) -> None:
    end = WINDOW.start + HOUR_S
    values = [(end + 1800, "1"), (end - HOUR_S, "1"), (WINDOW.end + HOUR_S, "1"), (end + 0.5, "1"), (-1e300, "1")]
    outside.answers[RANGE] = matrix(({"figure": "requests"}, values), ({}, [(end, "5")]))
    found = told(site, "requests")
    assert found.why is None and set(found.values["requests"]) == {None}


def test_of_the_present_step_a_rate_is_over_the_time_that_has_passed(site: Site, outside: Outside) -> None:
    early = replace(site, clock=lambda: WINDOW.end - 2700.0)
    outside.answers[RANGE] = matrix(({"figure": "ingest_updates"}, [(WINDOW.end, "900")]))
    assert told(early, "ingest_updates").values["ingest_updates"][-1] == 1.0


def test_short_steps_look_back_over_several_scrapes(site: Site, outside: Outside) -> None:
    outside.answers[RANGE] = matrix(({"figure": "jobs:completed"}, [(WINDOW.start + 10, "60")]))
    found = told(pointed(site, outside.url, 'every = "30s"'), "jobs", window=Window(WINDOW.start, 10, 3))
    assert all("[120s]" in each["query"] for each in requests(outside))
    assert found.values["jobs:completed"][0] == 5.0, "a step's share of two minutes"


def test_twelve_charts_of_a_window_ask_a_few_times_together_and_then_no_more(site: Site, outside: Outside) -> None:
    asked = threading.Event()

    def slowly(connection: Any) -> None:
        asked.wait(5)
        connection.sendall(matrix())

    outside.answers[RANGE] = slowly
    names = [*prometheus_queries.GROWING, *prometheus_queries.STANDING, *prometheus_queries.ADDED, "redis_latency_ms"]
    charts = [threading.Thread(target=told, args=(site, name)) for name in names]
    for each in charts:
        each.start()
    wait_until(lambda: outside.connections, what="the first query")
    asked.set()
    for each in charts:
        each.join()
    assert len(charts) >= 12
    told(site, *names)
    assert 2 <= outside.connections <= 6
    assert all(len(head.split("\r\n")[0]) < 7_500 for head in outside.asked), "more than a proxy takes"


def test_labels_tell_this_site_from_others_and_no_name_gets_out_of_its_quotes(site: Site, outside: Outside) -> None:
    outside.answers[RANGE] = matrix()
    declared = 'match = { job = "a\\"b", env = "~prod|test" }'
    told(pointed(site, outside.url, declared), 'job_duration:x"}) or vector(1) or ({y="', "tile:users")
    queries = [each["query"] for each in requests(outside)]
    assert queries and all('job="a\\"b",env=~"prod|test"' in query for query in queries)
    assert any('agent="x\\"}) or vector(1) or ({y=\\""' in query for query in queries)
    assert any('tile="users"' in query for query in queries)


def test_a_user_and_headers_are_sent_and_never_told(
    site: Site, outside: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    outside.answers[RANGE] = answer("no entry", status="401 Unauthorized")
    caplog.set_level(logging.DEBUG)
    url = outside.url.replace("http://", "http://reader:s3cr%40t@")
    known = pointed(site, url, 'headers = { X-Scope-OrgID = "shop", X-Key = "hidden-key" }')
    source = chart_source.readings(known, ["requests"], WINDOW).source
    said = base64.b64encode(b"reader:s3cr@t").decode()
    assert all(f"Authorization: Basic {said}" in head for head in outside.asked) and outside.asked
    assert all("X-Scope-OrgID: shop" in head for head in outside.asked)
    assert source == (
        "Prometheus can't be asked, because Prometheus answered 401 and no result of a query: is its address right?: "
        "these are Headway's own figures."
    )
    for secret in ("s3cr", said, "hidden-key"):
        assert secret not in source + caplog.text


NO_ANSWERS = {
    "it breaks": answer("oops", status="500 Internal Server Error"),
    "it is a page": answer("<html>Sign in</html>", "text/html"),
    "it is no JSON": answer("{{{", "application/json"),
    "it nests": answer("[" * 100_000, "application/json"),
    "it is another shape": of_json({"status": "success", "data": {"resultType": "matrix", "result": [{"metric": 3}]}}),
    "it is a vector": of_json({"status": "success", "data": {"resultType": "vector", "result": []}}),
    "it refuses": of_json({"status": "error", "errorType": "execution", "error": "too many samples"}, "422 Unprocessable"),
    "it leads elsewhere": answer("", status="302 Found", Location="http://169.254.169.254/"),
    "it ends early": b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
}  # fmt: skip


@pytest.mark.parametrize("bad", NO_ANSWERS)
def test_without_a_good_answer_a_chart_shows_headways_own_and_says_why(site: Site, outside: Outside, bad: str) -> None:
    outside.answers[RANGE] = NO_ANSWERS[bad]
    found = chart_source.jobs(site, WINDOW)
    assert len(found.series.points) == WINDOW.steps
    assert found.source.startswith("Prometheus can't be asked, because ")
    assert found.source.endswith("these are Headway's own figures.")
    readings = chart_source.readings(site, ["requests", "cpu_percent"], WINDOW)
    assert readings.of == series_service.read(site, ["requests", "cpu_percent"], WINDOW)
    assert readings.source.startswith("Prometheus can't be asked, because ")


def test_one_that_is_away_is_told_with_how_fine_the_own_figures_are_and_left_alone_for_a_while(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    away = pointed(site, f"http://127.0.0.1:{free_port()}")
    fine = Window(WINDOW.end - 20 * DAY_S, 300, 72)
    found = chart_source.readings(away, ["requests"], fine)
    assert found.source.endswith(": these are Headway's own figures, by the hour.")
    told(away, "jobs")
    told(away, "jobs_queued")
    assert sum("do without Prometheus" in record.message for record in caplog.records) == 1


def test_a_page_waits_a_moment_for_a_slow_one_once_and_has_its_answer_later(site: Site, outside: Outside) -> None:
    go_on = threading.Event()

    def in_the_end(connection: Any) -> None:
        go_on.wait(20)
        connection.sendall(matrix(({"figure": "ingest_updates"}, [(WINDOW.end, "3600")])))

    outside.answers[RANGE] = in_the_end
    slow = pointed(site, outside.url, 'timeout = "300ms"')
    site.cache.set(keys.PROMETHEUS.at(0, _key(slow, "tile:kept")), {"tile:kept:avg": [7.0]}, 60)
    began = time.monotonic()
    why = [told(slow, name).why for name in ("ingest_updates", "jobs", "jobs_queued", "request_duration")]
    assert time.monotonic() - began < 4 * 0.3, "each chart of the page waited"
    assert why[0] == "it did not answer within 300ms"
    assert told(slow, "tile:kept").values["tile:kept:avg"] == [7.0], "what is known waits for nobody"
    go_on.set()
    wait_until(lambda: told(slow, "ingest_updates").values, what="the late answer")
    assert told(slow, "ingest_updates").values["ingest_updates"][-1] == 1.0


def test_many_windows_at_once_do_not_flood_a_slow_one(site: Site, outside: Outside) -> None:
    ended = threading.Event()

    def at_last(_connection: Any) -> None:
        ended.wait(20)

    outside.answers[RANGE] = at_last
    slow = pointed(site, outside.url, 'timeout = "50ms"')
    for days in range(30):
        told(slow, "requests", window=WINDOW.earlier(days * DAY_S))
    assert outside.connections <= prometheus_history.MOST_FLIGHTS * prometheus_ranges.AT_ONCE
    assert told(slow, "requests", window=WINDOW.earlier(99 * DAY_S)).why == "it is asked for much at the moment"
    ended.set()


def test_one_that_knows_nothing_of_the_time_is_said_to(site: Site, outside: Outside) -> None:
    outside.answers[RANGE] = matrix()
    assert chart_source.readings(site, ["requests"], WINDOW).source == "", (
        "neither knows anything: there is nothing to say"
    )
    assert chart_source.jobs(site, WINDOW).source == ""


def test_short_and_recent_spans_and_what_metrics_do_not_tell_are_headways_own(site: Site, outside: Outside) -> None:
    now = site.clock()
    for name in ("15m", "1h", "6h", "24h", "7d"):
        chart_source.readings(site, ["requests"], windows.of_range(name, now))
        chart_source.jobs(site, windows.of_range(name, now))
    chart_source.readings(site, ["cpu_percent", "memory_percent", "load1"], WINDOW)
    chart_source.histograms(site, ["job_duration:other"], WINDOW)
    assert not outside.connections
    chart_source.readings(site, ["requests"], windows.of_range("30d", now))
    chart_source.readings(site, ["requests"], Window(WINDOW.end - 3 * DAY_S, 60, 60))
    assert outside.connections >= 2


def test_what_headway_knows_of_a_step_stays_and_prometheus_tells_of_the_rest(site: Site, outside: Outside) -> None:
    # Prometheus saw the second step in part, Headway knows nothing of the first one.
    ends = [WINDOW.start + (step + 1) * HOUR_S for step in range(2)]
    outside.answers[RANGE] = matrix(
        ({"figure": "jobs:completed"}, [(ends[0], "40"), (ends[1], "623")]),
        ({"figure": "log_lines"}, [(ends[0], "3600"), (ends[1], "7200")]),
        ({"figure": "request_duration", "le": "0.005"}, [(ends[0], "0.01"), (ends[1], "0.02")]),
        ({"figure": "request_duration", "le": "+Inf"}, [(ends[0], "0.01"), (ends[1], "0.02")]),
    )
    site.store.redis.hset(keys.HOUR.at(0, ends[0] // HOUR_S), mapping={"completed": 760, "created": 761})
    bounds = len(series_catalog.of("request_duration").bounds)
    for after_s, total in ((0, 0), (5, 50), (10, 100)):
        buckets = Totals((float(total), *(0.0,) * (bounds - 1)), 0.0)
        series_store.write(
            site, Sample(ends[0] + after_s, rates={"log_lines": total}, histograms={"request_duration": buckets})
        )

    jobs = chart_source.jobs(site, WINDOW)
    assert [point.completed for point in jobs.series.points[:3]] == [40, 760, 0]
    assert jobs.source == "From Prometheus where Headway itself keeps nothing as fine."
    readings = chart_source.readings(site, ["log_lines"], WINDOW)
    first, second = readings.of["log_lines"][:2]
    assert first is not None and second is not None
    assert (first.mean, second.mean) == (1.0, 10.0)
    assert readings.source == jobs.source
    found = chart_source.histograms(site, ["request_duration"], WINDOW).of["request_duration"]
    assert [None if each is None else each.total for each in found[:3]] == [36, 100, None]

    # By the minute Headway keeps nothing of that time any more.
    fine = Window(ends[0], MINUTE_S, 60)
    outside.answers[RANGE] = matrix(({"figure": "jobs:completed"}, [(ends[0] + MINUTE_S, "600")]))
    sharper = chart_source.jobs(site, fine)
    assert sharper.series.points[0].completed == 600
    assert [point.completed for point in sharper.series.points[1:3]] == [12, 13]


def test_prometheus_is_not_asked_for_what_headway_knows_throughout(site: Site, outside: Outside) -> None:
    for hour in range(WINDOW.start // HOUR_S, WINDOW.end // HOUR_S):
        site.store.redis.hset(keys.HOUR.at(0, hour), mapping={"completed": 1, "depth_sum": 0, "depth_n": 1})
    found = chart_source.jobs(site, WINDOW)
    assert sum(point.completed for point in found.series.points) == WINDOW.steps
    assert found.source == "" and not outside.connections


def test_what_rules_recorded_is_read_from_there_and_the_time_before_from_the_counters(
    site: Site, outside: Outside
) -> None:
    ends = [WINDOW.start + (step + 1) * HOUR_S for step in range(4)]

    def tell(connection: Any) -> None:
        asked = requests(outside)[-1]
        values = [(end, "2") for end in ends[2:]] if "headway:" in asked["query"] else [(end, "3600") for end in ends]
        connection.sendall(matrix(({"figure": "requests"}, values)))

    outside.answers[RANGE] = tell
    assert told(site, "requests").values["requests"][:5] == [1.0, 1.0, 2.0, 2.0, None]
    counters = [each for each in requests(outside) if "headway_http_requests_total" in each["query"]]
    assert [int(each["end"]) for each in counters] == [ends[1]], "the counters were asked for more than was missing"
    outside.asked.clear()
    told(site, "requests", window=Window(WINDOW.start, 300, 30))
    assert not any("headway:" in each["query"] for each in requests(outside))


def test_spans_may_begin_as_long_ago_as_prometheus_tells_of(site: Site) -> None:
    now = site.clock()
    for days in (91, 200, 400, 800, 3 * 365):
        window = windows.of_span(now - days * DAY_S, now, now, chart_source.reach_s(site))
        assert window.start <= now - days * DAY_S and window.end >= now and window.steps <= windows.MOST_STEPS
    with pytest.raises(FieldError, match="within the last 1095 days"):
        windows.of_span(now - 1_200 * DAY_S, now, now, chart_source.reach_s(site))
    alone = replace(site, settings=read_settings({"HEADWAY_TOKEN": TOKEN}))
    with pytest.raises(FieldError, match="within the last 90 days"):
        windows.of_span(now - 200 * DAY_S, now, now, chart_source.reach_s(alone))


def test_a_histogram_is_told_by_bucket(site: Site, outside: Outside) -> None:
    def of(bound: str, *values: float) -> Any:
        ends = WINDOW.start + HOUR_S
        at = [(ends + step * HOUR_S, str(value)) for step, value in enumerate(values)]
        return {"figure": "job_duration:studio", "le": bound}, at

    outside.answers[RANGE] = matrix(of("0.1", 4, 0), of("0.5", 10, 0), of("5.0", 9.9, 0), of("+Inf", 12, 0))
    first, second, third = chart_source.histograms(site, ["job_duration:studio"], WINDOW).of["job_duration:studio"][:3]
    assert first is not None and first.counts[:3] == (4, 6, 0) and first.counts[-1] == 2 and first.total == 12
    assert second is not None and second.total == 0
    assert third is None


def test_answers_are_kept_as_json_that_holds_no_address(site: Site, outside: Outside) -> None:
    outside.answers[RANGE] = matrix(({"figure": "ingest_updates"}, [(WINDOW.end, "3600")]))
    told(site, "ingest_updates")
    (key,) = [key for key in site.store.redis.keys("*prometheus:*") if "lock" not in key]
    assert json.loads(site.store.redis.get(key) or "")["ingest_updates"][-1] == 1.0
    assert outside.url not in key and 0 < site.store.redis.ttl(key) <= 600
