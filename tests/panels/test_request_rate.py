from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from panels import Choice
from tests.panels.boards import at_noon, words
from tests.panels.charts import EMPTY, chart, counted, known, series, told

NAME = "request-rate"


def test_it_is_on_the_page(client: FlaskClient) -> None:
    assert f'id="panel-{NAME}"' in client.get("/dashboard/charts").text


def test_it_tells_how_many_were_answered_a_second_and_how_many_failed(app: Flask, site: Site) -> None:
    for ago_s in range(180, -1, -10):
        counted(site, ago_s, requests=1000 + (180 - ago_s) * 2, request_errors=180 - ago_s)
    shown = chart(app, at_noon(site), NAME)
    assert (known(shown, "requests")["11:58"], known(shown, "errors")["11:58"]) == (2.0, 1.0)
    assert "on average 2.00 a second" in words(shown)
    assert [line["ink"] for line in series(shown)["lines"]] == ["accent", "bad"]


def test_a_step_that_was_sampled_for_three_minutes_counts_three_minutes_of_requests(app: Flask, site: Site) -> None:
    for ago_s in range(180, -1, -10):
        counted(site, ago_s, requests=1000 + (180 - ago_s) * 2)
    assert told(chart(app, at_noon(site), NAME, Choice("30d")))["total"] == 360


def test_a_quiet_minute_is_zero_and_not_a_gap(app: Flask, site: Site) -> None:
    for ago_s in (130, 120, 110, 60):
        counted(site, ago_s, requests=7)
    shown = chart(app, at_noon(site), NAME)
    assert known(shown, "requests")["11:58"] == 0.0
    assert "0 requests" in words(shown)


def test_before_the_first_sample_it_says_when_that_comes(app: Flask, site: Site) -> None:
    assert words(chart(app, at_noon(site), NAME)).endswith(EMPTY)
