"""What Prometheus gets, in the format that it asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from app import create_app
from core import metrics
from core.fleet import Fleet
from core.settings import Settings
from core.site import Site
from core.store import Store
from tests.conftest import TOKEN
from tests.core.fleets import assert_valid

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(("accept", "content_type"), [
    (None, PLAIN),
    ("*/*", PLAIN),
    ("text/plain", PLAIN),
    ("text/html,application/xhtml+xml,*/*;q=0.8", PLAIN),
    ("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.2", PLAIN),
    ("application/openmetrics-text;q=0", PLAIN),
    ("garbage;;;,,;q=x", PLAIN),
    ("application/openmetrics-text", OPENMETRICS),
    ("application/openmetrics-text; version=1.0.0", OPENMETRICS),
    (PROMETHEUS_2, OPENMETRICS),
    (PROMETHEUS_3, OPENMETRICS),
])  # fmt: skip
def test_the_format_is_the_one_that_was_asked_for(client: FlaskClient, accept: str | None, content_type: str) -> None:
    answer = client.get("/metrics", headers={"Accept": accept} if accept else {})
    assert answer.headers["Content-Type"] == content_type
    assert "Accept" in answer.headers["Vary"]
    assert answer.text.endswith("# EOF\n") == (content_type == OPENMETRICS)


@pytest.mark.parametrize("query", ["", "?scope=instance", "?scope=fleet"])
def test_both_formats_pass_the_parsers(client: FlaskClient, query: str) -> None:
    client.get("/healthz")
    openmetrics = client.get(f"/metrics{query}", headers={"Accept": "application/openmetrics-text"})
    assert_valid(client.get(f"/metrics{query}").text, openmetrics.text)


def test_the_contract_s_names_are_there(client: FlaskClient) -> None:
    families = {family.name for family in parse_plain(client.get("/metrics").text)}
    assert {
        "headway_dashboard_refresh", "headway_htmx_events", "headway_cache_hits", "headway_cache_misses",
        "headway_http_requests", "headway_http_request_duration_seconds", "headway_redis_latency_seconds",
        "headway_uptime_seconds", "headway_jobs", "headway_jobs_finished", "headway_job_duration_seconds",
        "headway_queue_depth", "headway_stream_clients",
    } <= families  # fmt: skip


def test_every_family_has_the_prefix_and_says_what_it_is(client: FlaskClient) -> None:
    for family in parse_plain(client.get("/metrics").text):
        assert family.name.startswith("headway_")
        assert family.documentation
        assert family.type in ("counter", "gauge", "histogram")


def test_one_process_or_all_of_them(app: Flask, client: FlaskClient, site: Site) -> None:
    registry = CollectorRegistry()
    other = Fleet(Store(site.store.url), registry)
    metrics.Counter("headway_htmx_events_total", "Events.", ("panel",), registry=registry).labels("elsewhere").inc(5)
    other.figures()
    assert 'panel="elsewhere"} 5.0' in client.get("/metrics").text
    assert "elsewhere" not in client.get("/metrics?scope=instance").text


def test_an_unknown_scope_is_refused(client: FlaskClient) -> None:
    assert client.get("/metrics?scope=galaxy").status_code == 400


def test_without_a_token_there_is_nothing_to_scrape(app: Flask) -> None:
    assert app.test_client().get("/metrics").status_code == 401


def test_with_the_store_away_this_process_s_figures_are_served(settings: Settings) -> None:
    away = create_app(replace(settings, redis_url="unix:///tmp/no-such-socket")).test_client()
    away.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    away.get("/healthz")
    answer = away.get("/metrics")
    assert answer.status_code == 200
    assert_valid(answer.text)
    assert 'route="/healthz"' in answer.text


def test_paths_of_jobs_are_no_labels(client: FlaskClient) -> None:
    client.get("/api/v1/queue/job-nobody")
    client.get("/no/such/place/nowhere")
    text = client.get("/metrics?scope=instance").text
    assert "job-nobody" not in text
    assert "nowhere" not in text
    assert 'route="unmatched"' in text
