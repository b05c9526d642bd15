from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from services.series_catalog import SERIES
from tests.panels.boards import at_noon, words
from tests.panels.charts import EMPTY, chart, fell, known, series, told

NAME = "request-duration"
BOUNDS = SERIES["request_duration"].bounds


def test_it_is_on_the_page(client: FlaskClient) -> None:
    assert f'id="panel-{NAME}"' in client.get("/dashboard/charts").text


def test_its_percentiles_lie_within_the_buckets_that_hold_them(app: Flask, site: Site) -> None:
    fell(site, 120, "request_duration", {}, len(BOUNDS))
    fell(site, 115, "request_duration", {1: 90, 3: 8, 5: 2}, len(BOUNDS))
    shown = chart(app, at_noon(site), NAME)
    figures = told(shown)
    assert figures["requests"] == 100
    assert BOUNDS[0] < figures["p50_s"] <= BOUNDS[1]
    assert BOUNDS[2] < figures["p95_s"] <= BOUNDS[3]
    assert BOUNDS[4] < figures["p99_s"] <= BOUNDS[5]
    assert known(shown, "p95_s") == {"11:58": figures["p95_s"]}
    assert [(line["name"], line["ink"]) for line in series(shown)["lines"]] == [
        ("p50", "accent"),
        ("p95", "second"),
        ("p99", "third"),
    ]


def test_where_nothing_was_asked_it_says_so(app: Flask, site: Site) -> None:
    for ago_s in (130, 115):
        fell(site, ago_s, "request_duration", {}, len(BOUNDS))
    assert "Nothing was asked in the last hour." in words(chart(app, at_noon(site), NAME))


def test_before_the_first_sample_it_says_when_that_comes(app: Flask, site: Site) -> None:
    assert words(chart(app, at_noon(site), NAME)).endswith(EMPTY)
