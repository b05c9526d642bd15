from __future__ import annotations

import json

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from panels import metrics
from panels.metrics import Exposition
from tests.panels.boards import HOSTILE, Parts, at_noon, show, words


def test_it_is_on_the_page(client: FlaskClient) -> None:
    client.get("/dashboard/api/metrics-html")  # read already, so that the page need not await it
    page = client.get("/dashboard/observability").text
    assert 'id="panel-metrics"' in page
    assert "headway_uptime_seconds" in page


def test_it_shows_what_a_scrape_gets(app: Flask, site: Site) -> None:
    shown = show(app, at_noon(site), "metrics")
    assert "# TYPE headway_cache_hits_total counter" in words(shown)
    figures = json.loads(shown.json)["figures"]
    assert {"cache_hit_rate", "dashboard_refresh_total"} <= figures.keys()


def test_it_can_be_folded_searched_and_copied(app: Flask, site: Site) -> None:
    parts = Parts(show(app, site, "metrics").html.decode())
    assert parts.tags[:2] == ["div", "details"]
    assert ("open", None) in parts.attributes
    assert ("data-find", "#metrics-text") in parts.attributes
    assert ("data-copy", "#metrics-text") in parts.attributes


def test_a_very_long_text_is_cut_and_the_rest_named(app: Flask, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MOST_LINES", 3)
    shown = show(app, site, "metrics")
    assert "3 lines" in words(shown)
    assert "more lines are at /metrics" in words(shown)


def test_a_hostile_label_stays_text(app: Flask, site: Site) -> None:
    text = f'headway_jobs{{agent="{HOSTILE}"}} 1'
    parts = Parts(show(app, site, "metrics", lambda _: Exposition(text, 0, {})).html.decode())
    assert not {"img", "script", "svg"} & set(parts.tags)
    assert "onerror=alert(1)" in parts.text


def test_it_stays_readable_while_the_store_is_away(app: Flask, site: Site) -> None:
    assert show(app, site, "metrics").unavailable is None
