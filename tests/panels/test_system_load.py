from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from panels import Choice
from tests.panels.boards import Parts, at_noon, words
from tests.panels.charts import EMPTY, chart, known, sampled

NAME = "system-load"


def test_it_is_on_the_page(client: FlaskClient) -> None:
    assert f'id="panel-{NAME}"' in client.get("/dashboard/charts").text


def test_it_tells_what_was_taken_of_processors_and_memory_up_to_all_of_it(app: Flask, site: Site) -> None:
    for ago_s, cpu in ((70, 20), (65, 40)):
        sampled(site, ago_s, cpu_percent=cpu, memory_percent=41.5)
    shown = chart(app, at_noon(site), NAME)
    assert (known(shown, "cpu_percent"), known(shown, "memory_percent")) == ({"11:58": 30.0}, {"11:58": 41.5})
    assert "CPU 30.0 % memory 41.5 % CPU at most 40.0 %" in words(shown)
    assert ("data-most", "100.0") in Parts(shown.html.decode()).attributes


def test_shares_differ_by_points_from_the_week_before(app: Flask, site: Site) -> None:
    sampled(site, 7 * 86_400 + 60, cpu_percent=25, memory_percent=50)
    sampled(site, 60, cpu_percent=30, memory_percent=50)
    shown = chart(app, at_noon(site), NAME, Choice(compare="week"))
    assert "CPU 30.0 % , 5.00 points more memory 50.0 % , the same" in words(shown)
    assert "compared with the week before" in words(shown)


def test_before_the_first_sample_it_says_when_that_comes(app: Flask, site: Site) -> None:
    assert words(chart(app, at_noon(site), NAME)).endswith(EMPTY)
