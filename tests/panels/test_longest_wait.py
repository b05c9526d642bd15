from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from tests.panels.boards import Parts, at_noon, words
from tests.panels.charts import EMPTY, chart, known, sampled

NAME = "longest-wait"


def test_it_is_on_the_page(client: FlaskClient) -> None:
    assert f'id="panel-{NAME}"' in client.get("/dashboard/charts").text


def test_it_tells_the_longest_of_each_step_on_a_scale_that_stands_on_zero(app: Flask, site: Site) -> None:
    for ago_s, waited in ((130, 0), (70, 80), (65, 90)):
        sampled(site, ago_s, longest_wait_s=waited)
    shown = chart(app, at_noon(site), NAME)
    assert known(shown, "longest_s") == {"11:57": 0.0, "11:58": 90.0}
    assert "longest 1 min 30 s on average 42.5 s" in words(shown)
    assert ("data-linear", None) in Parts(shown.html.decode()).attributes


def test_before_the_first_sample_it_says_when_that_comes(app: Flask, site: Site) -> None:
    assert words(chart(app, at_noon(site), NAME)).endswith(EMPTY)
