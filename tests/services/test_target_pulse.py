"""What an app's `/metrics` make of its pulse."""

from __future__ import annotations

import math

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from core.config import Target
from services.scraping import Scrape
from services.target_pulse import Counters, Figures, Pulse, counters, quantile

TARGET = Target(name="app", url="https://app.example/metrics")


def told(text: str, at: float = 0.0, target: Target = TARGET) -> Counters:
    return counters(Scrape(text, False), target, at)


def figures(*scrapes: tuple[float, str], target: Target = TARGET) -> Figures | None:
    """After so many scrapes: seconds and text of each."""
    pulse, found = Pulse(), None
    for at, text in scrapes:
        found = pulse.beat(told(text, at, target))
    return found


USUAL = [
    # prometheus-flask-exporter
    (
        'flask_http_request_total{method="GET",status="200"} %d\nflask_http_request_total{method="GET",status="500"} %d\n'
        'flask_http_request_duration_seconds_bucket{le="1.0",method="GET",path="/",status="200"} %d\n'
        'flask_http_request_duration_seconds_bucket{le="+Inf",method="GET",path="/",status="200"} %d\n',
        ("flask_http_request_total", "flask_http_request_duration_seconds"),
    ),
    # prometheus-fastapi-instrumentator
    (
        'http_requests_total{handler="/",method="GET",status="2xx"} %d\n'
        'http_requests_total{handler="/",method="GET",status="5xx"} %d\n'
        'http_request_duration_highr_seconds_bucket{le="1.0"} %d\n'
        'http_request_duration_highr_seconds_bucket{le="+Inf"} %d\n'
        'http_request_duration_seconds_bucket{handler="/",le="1.0",method="GET"} 1e9\n',
        ("http_requests_total", "http_request_duration_highr_seconds"),
    ),
    # django-prometheus
    (
        'django_http_responses_total_by_status_total{status="200"} %d\n'
        'django_http_responses_total_by_status_total{status="503"} %d\n'
        'django_http_requests_latency_seconds_by_view_method_bucket{le="1.0",method="GET",view="a"} %d\n'
        'django_http_requests_latency_seconds_by_view_method_bucket{le="+Inf",method="GET",view="a"} %d\n',
        ("django_http_responses_total_by_status_total", "django_http_requests_latency_seconds_by_view_method"),
    ),
    # starlette_exporter
    (
        'starlette_requests_total{app_name="a",method="GET",path="/",status_code="200"} %d\n'
        'starlette_requests_total{app_name="a",method="GET",path="/",status_code="500"} %d\n'
        'starlette_request_duration_seconds_bucket{le="1.0",path="/"} %d\n'
        'starlette_request_duration_seconds_bucket{le="+Inf",path="/"} %d\n',
        ("starlette_requests_total", "starlette_request_duration_seconds"),
    ),
    # Micrometer: a histogram alone
    (
        'http_server_requests_seconds_count{status="200",uri="/"} %d\n'
        'http_server_requests_seconds_count{status="500",uri="/"} %d\n'
        'http_server_requests_seconds_bucket{le="1.0",uri="/"} %d\n'
        'http_server_requests_seconds_bucket{le="+Inf",uri="/"} %d\n',
        ("http_server_requests_seconds_count", "http_server_requests_seconds"),
    ),
    # promhttp of Go: the code
    (
        'http_requests_total{code="200",method="get"} %d\nhttp_requests_total{code="502",method="get"} %d\n'
        'http_request_duration_seconds_bucket{le="1.0"} %d\nhttp_request_duration_seconds_bucket{le="+Inf"} %d\n',
        ("http_requests_total", "http_request_duration_seconds"),
    ),
]  # fmt: skip
MACHINE = "process_resident_memory_bytes 1e8\nprocess_cpu_seconds_total %s\n"


@pytest.mark.parametrize(("text", "names"), USUAL, ids=[names[0] + "+" + names[1] for _, names in USUAL])
def test_usual_names_are_found(text: str, names: tuple[str, str]) -> None:
    first, second = text % (100, 1, 50, 60) + MACHINE % 10, text % (190, 11, 130, 160) + MACHINE % 13
    found = figures((0, first), (10, second))
    assert found == Figures(
        requests_per_s=10, error_rate=10, p50_s=0.625, p95_s=1, memory_bytes=1e8, cpu_percent=pytest.approx(30)
    )
    now = told(second)
    assert now.found == (*names, "process_resident_memory_bytes", "process_cpu_seconds_total")
    assert now.missing == ()


def test_headways_own_metrics_have_a_pulse(client: FlaskClient) -> None:
    client.get("/healthz")
    first = client.get("/metrics?scope=instance").text
    for _ in range(7):
        client.get("/healthz")
    client.get("/nowhere")
    second = client.get("/metrics?scope=instance").text
    found = figures((0, first), (2, second))
    assert found is not None
    assert found.requests_per_s == pytest.approx(9 / 2)
    assert found.error_rate == 0
    assert found.p50_s is not None and 0 < found.p50_s < 10
    assert found.memory_bytes is not None and found.memory_bytes > 1_000_000
    assert found.cpu_percent is not None
    assert told(second).missing == ()


def test_names_that_are_configured_stand_before_usual_ones() -> None:
    registry = CollectorRegistry()
    mine = Counter("calls", "Calls", ("outcome",), registry=registry)
    took = Histogram("calls_took", "Calls", registry=registry, buckets=(1, 2))
    Counter("http_requests", "Others", registry=registry).inc(1e6)
    target = Target("app", "https://x", requests="calls_total", status_label="outcome", duration="calls_took")
    texts = []
    for _ in range(2):
        for outcome in ("200", "200", "504", "404"):
            mine.labels(outcome).inc()
            took.observe(1.5)
        texts.append(generate_latest(registry).decode())
    found = figures((0, texts[0]), (4, texts[1]), target=target)
    assert found == Figures(requests_per_s=1, error_rate=25, p50_s=1.5, p95_s=1.95)
    assert told(texts[0], target=target).found[:2] == ("calls_total", "calls_took")


def test_what_is_missing_is_told_with_what_to_do() -> None:
    assert told("").missing == (
        "no counter of requests of a usual name is there: name it as requests",
        "no histogram of durations of a usual name is there: name it as duration",
        "there is no metric process_resident_memory_bytes",
        "there is no metric process_cpu_seconds_total",
    )
    target = Target("app", "https://x", requests="call_total", duration="took")
    assert told("calls_total 5\n", target=target).missing[:2] == (
        "there is no counter of requests call_total; there is calls_total",
        "there is no histogram of durations took",
    )
    plain = 'http_requests_total{path="/"} 5\n'
    assert (
        "http_requests_total has no label of the status: name it as status_label" in told(plain).missing
        and "http_requests_total has no label result"
        in told(plain, target=Target("app", "https://x", status_label="result")).missing
    )
    assert figures((0, plain), (10, plain)) == Figures(requests_per_s=0)


def test_the_first_scrape_has_nothing_to_compare_with() -> None:
    assert figures((0, "http_requests_total 5\n")) is None


def test_figures_are_of_the_last_minute() -> None:
    busy_for = 10
    scrapes = [(15.0 * n, f"http_requests_total {15 * min(n, busy_for)}\n") for n in range(20)]
    assert figures(*scrapes[:2]) == Figures(requests_per_s=1)
    assert figures(*scrapes[: busy_for + 1]) == Figures(requests_per_s=1)
    resting = figures(*scrapes[: busy_for + 3])
    assert resting is not None and resting.requests_per_s is not None and 0 < resting.requests_per_s < 1
    assert figures(*scrapes) == Figures(requests_per_s=0)


def test_a_restarted_app_counts_from_nothing() -> None:
    text = 'http_requests_total{code="200"} %d\nhttp_requests_total{code="500"} %d\nprocess_cpu_seconds_total %s\n'
    assert figures((0, text % (1000, 50, 900)), (10, text % (8, 2, 0.5))) == Figures(
        requests_per_s=1, error_rate=20, cpu_percent=5
    )


def test_the_first_error_counts_though_there_was_no_series_of_it() -> None:
    found = figures(
        (0, 'http_requests_total{code="200"} 9\n'),
        (1, 'http_requests_total{code="200"} 12\nhttp_requests_total{code="500"} 1\n'),
    )
    assert found == Figures(requests_per_s=4, error_rate=25)


def test_several_processes_count_together() -> None:
    registry = CollectorRegistry()
    memory = Gauge("process_resident_memory_bytes", "Memory", ("pid",), registry=registry)
    memory.labels("1").set(100)
    memory.labels("2").set(50)
    text = generate_latest(registry).decode()
    found = figures((0, text), (1, text))
    assert found is not None and found.memory_bytes == 150


def test_figures_that_are_no_numbers_are_passed_over() -> None:
    text = (
        'http_requests_total{code="200"} NaN\nhttp_requests_total{code="500"} %d\nprocess_resident_memory_bytes +Inf\n'
    )
    assert figures((0, text % 1), (1, text % 3)) == Figures(requests_per_s=2, error_rate=100)


@pytest.mark.parametrize(
    ("share", "buckets", "value"),
    [
        (0.5, {1.0: 10.0, 2.0: 20.0, math.inf: 20.0}, 1.0),
        (0.95, {1.0: 10.0, 2.0: 20.0, math.inf: 20.0}, 1.9),
        (0.5, {1.0: 0.0, 2.0: 0.0, math.inf: 4.0}, 2.0),
        (0.5, {1.0: 4.0, math.inf: 4.0}, 0.5),
        (0.5, {math.inf: 4.0}, 0.0),
        (0.5, {1.0: 0.0, math.inf: 0.0}, None),
        (0.5, {1.0: 4.0}, None),
        (0.5, {}, None),
    ],
)
def test_a_quantile_is_reckoned_as_prometheus_does(
    share: float, buckets: dict[float, float], value: float | None
) -> None:
    assert quantile(share, buckets) == (None if value is None else pytest.approx(value))
