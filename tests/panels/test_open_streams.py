from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from tests.panels.boards import at_noon, words
from tests.panels.charts import EMPTY, chart, known, sampled

NAME = "open-streams"


def test_it_is_on_the_page(client: FlaskClient) -> None:
    assert f'id="panel-{NAME}"' in client.get("/dashboard/charts").text


def test_it_tells_how_many_were_open_on_average_and_at_most(app: Flask, site: Site) -> None:
    for ago_s, streams in ((70, 2), (65, 6)):
        sampled(site, ago_s, open_streams=streams)
    shown = chart(app, at_noon(site), NAME)
    assert (known(shown, "streams"), known(shown, "highest")) == ({"11:58": 4.0}, {"11:58": 6.0})
    assert "on average 4.00 at most 6 Figures" in words(shown)


def test_before_the_first_sample_it_says_when_that_comes(app: Flask, site: Site) -> None:
    assert words(chart(app, at_noon(site), NAME)).endswith(EMPTY)
