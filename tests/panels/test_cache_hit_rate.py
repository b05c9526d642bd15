from __future__ import annotations

import json

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from panels.cache_hit_rate import CacheFigures
from services import analytics_service
from tests.panels.boards import Parts, at_noon, show, words


def test_it_is_on_the_page(client: FlaskClient) -> None:
    assert 'id="panel-cache-hit-rate"' in client.get("/dashboard/observability").text


def test_hits_stand_against_misses_in_chart_and_words(app: Flask, site: Site) -> None:
    shown = show(app, at_noon(site), "cache-hit-rate", lambda _: CacheFigures(97.31, 4812, 133))
    attributes = dict(Parts(shown.html.decode()).attributes)
    assert [(part["label"], part["value"]) for part in json.loads(attributes["data-series"] or "")] == [
        ("hits", 4812),
        ("misses", 133),
    ]
    assert attributes["data-chart"] == "doughnut"
    assert "97.3 % 4,812 hits 133 misses" in words(shown)


def test_one_of_a_kind_is_said_as_one_in_words_and_tooltip(app: Flask, site: Site) -> None:
    shown = show(app, site, "cache-hit-rate", lambda _: CacheFigures(50.0, 1, 1))
    assert "1 hit 1 miss " in words(shown)
    series = dict(Parts(shown.html.decode()).attributes)["data-series"] or ""
    assert [part["label"] for part in json.loads(series)] == ["hit", "miss"]


def test_before_the_first_look_it_says_so(app: Flask, site: Site) -> None:
    assert "– 0 hits 0 misses Nothing was looked up yet" in words(
        show(app, site, "cache-hit-rate", lambda _: CacheFigures(None, 0, 0))
    )


@pytest.mark.parametrize(("rate", "said"), [(100.0, "100"), (99.996, "99.9"), (0.0, "0.0")])
def test_a_rate_is_never_rounded_up_to_all(app: Flask, site: Site, rate: float, said: str) -> None:
    assert words(show(app, site, "cache-hit-rate", lambda _: CacheFigures(rate, 1, 1))).startswith(f"{said} %")


def test_it_counts_real_looks_into_the_cache(app: Flask, site: Site) -> None:
    before = json.loads(show(app, site, "cache-hit-rate").json)
    for _ in range(3):
        analytics_service.snapshot(site)
    after = json.loads(show(app, site, "cache-hit-rate").json)
    assert after["hits"] - before["hits"] == 2
    assert after["misses"] - before["misses"] == 1
