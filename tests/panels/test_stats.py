from __future__ import annotations

import json
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from services import system_service
from services.system_service import Pulse
from services.trends import Trend
from tests.panels.boards import Parts, at_noon, show, words

PROMISED = {
    "uptime_hours", "total_requests", "redis_latency_ms", "cache_hit_rate", "cache_hits_total", "cache_misses_total",
    "dashboard_refresh_total", "htmx_events_total", "timestamp",
}  # fmt: skip
FLAT = Trend(None, None, "", None, ())
PULSE = Pulse(
    uptime_hours=312.4,
    total_requests=1_284_311,
    requests_per_second=41.0,
    redis_latency_ms=0.42,
    redis_latency_p99_ms=1.93,
    cache_hit_rate=97.31,
    cache_hits_total=4812,
    cache_misses_total=133,
    dashboard_refresh_total=7,
    htmx_events_total=5,
    started_at="2026-11-08T08:56:00.000Z",
    timestamp="2026-11-21T12:00:00.000Z",
    uptime_trend=Trend(0.08, 300, "h", True, (1.0, 2.0)),
    requests_trend=Trend(2.3, 300, "/s", None, (1.0, 3.0, 2.0)),
    latency_trend=Trend(-0.12, 300, "ms", False, (0.5, 0.4)),
    hit_rate_trend=Trend(-0.4, 300, "%", True, (98.0, 97.3)),
)


def test_it_is_on_the_page(client: FlaskClient) -> None:
    page = client.get("/dashboard/observability").text
    assert 'id="panel-stats"' in page
    assert "System Pulse" in page


def test_it_shows_four_figures_each_with_its_unit_its_trend_and_its_line(app: Flask, site: Site) -> None:
    shown = show(app, at_noon(site), "stats", lambda _: PULSE)
    text = words(shown)
    for said in ("Uptime 312 h", "Total requests 1.284 M", "Redis latency 0.42 ms", "Cache hit rate 97.3 %"):
        assert said in text
    for trend in ("▲ + 2.30 /s", "▼ − 0.12 ms", "▼ − 0.40 %"):
        assert trend in text
    assert shown.html.count(b'class="spark"') == 4
    assert shown.html.count(b'class="line"') == 4


def test_a_fall_is_good_for_the_latency_and_bad_for_the_hit_rate(app: Flask, site: Site) -> None:
    html = show(app, at_noon(site), "stats", lambda _: PULSE).html.decode()
    latency, cache = html[html.index("figure-latency") :], html[html.index("figure-cache") :]
    assert 'class="trend up"' in latency[: latency.index("figure-cache")]
    assert 'class="trend down"' in cache


def test_a_change_too_small_to_matter_has_no_colour(app: Flask, site: Site) -> None:
    flicker = replace(PULSE, latency_trend=replace(PULSE.latency_trend, delta=0.004))
    html = show(app, site, "stats", lambda _: flicker).html.decode()
    latency = html[html.index("figure-latency") : html.index("figure-cache")]
    assert 'class="trend "' in latency
    assert "0.004 ms" in latency


def test_one_of_a_kind_is_said_as_one(app: Flask, site: Site) -> None:
    lone = replace(PULSE, cache_hits_total=1, cache_misses_total=1)
    assert "1 hit, 1 miss ▼" in words(show(app, site, "stats", lambda _: lone))


def test_before_anything_was_counted_it_says_so_with_dashes_and_no_trend(app: Flask, site: Site) -> None:
    young = replace(
        PULSE, cache_hit_rate=None, cache_hits_total=0, cache_misses_total=0, requests_per_second=None,
        uptime_trend=FLAT, requests_trend=FLAT, latency_trend=FLAT, hit_rate_trend=FLAT,
    )  # fmt: skip
    shown = show(app, site, "stats", lambda _: young)
    assert "Cache hit rate – 0 hits, 0 misses" in words(shown)
    assert "▲" not in words(shown)
    assert b'class="line"' not in shown.html


def test_the_json_holds_at_least_the_promised_fields_at_the_top(client: FlaskClient) -> None:
    answer = client.get("/dashboard/api/stats").json
    assert answer.keys() >= PROMISED
    assert answer["redis_latency_ms"] > 0
    assert answer["cache_hit_rate"] is None or 0 <= answer["cache_hit_rate"] <= 100


def test_it_reads_the_real_figures(app: Flask, site: Site) -> None:
    shown = show(app, at_noon(site), "stats")
    figures = json.loads(shown.json)
    assert figures["timestamp"] == "2026-11-21T12:00:00.000Z"
    assert figures["total_requests"] == system_service.pulse(site).total_requests


@pytest.mark.parametrize(
    ("requests", "said"), [(0, "0"), (99_999, "99,999"), (123_456, "123.5 k"), (2_500_000_000, "2.500 G")]
)
def test_large_figures_are_short_and_exact_in_the_tooltip(app: Flask, site: Site, requests: int, said: str) -> None:
    shown = show(app, site, "stats", lambda _: replace(PULSE, total_requests=requests))
    assert f"Total requests {said}" in words(shown)
    assert ("title", f"{requests:,} requests") in Parts(shown.html.decode()).attributes
