from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from panels import Choice
from tests.panels.boards import at_noon, words
from tests.panels.charts import EMPTY, chart, known, sampled, series, told

NAME = "redis-latency-history"


def test_it_is_on_the_page(client: FlaskClient) -> None:
    assert f'id="panel-{NAME}"' in client.get("/dashboard/charts").text


def test_it_tells_the_mean_and_the_highest_of_each_step_and_a_gap_where_nobody_looked(app: Flask, site: Site) -> None:
    for ago_s, latency in ((185, 0.4), (180, 0.6), (62, 0.2), (61, 0.4)):
        sampled(site, ago_s, redis_latency_ms=latency)
    shown = chart(app, at_noon(site), NAME)
    assert known(shown, "mean_ms") == {"11:56": 0.4, "11:57": 0.6, "11:58": 0.3}
    assert known(shown, "highest_ms") == {"11:56": 0.4, "11:57": 0.6, "11:58": 0.4}
    assert "on average 0.43 ms highest 0.60 ms Figures" in words(shown)
    lines = series(shown)["lines"]
    assert [(line["name"], line.get("fill", False), line.get("light", False)) for line in lines] == [
        ("on average", True, False),
        ("highest", False, True),
    ]


def test_the_day_before_is_a_line_of_its_own_and_the_difference_is_said(app: Flask, site: Site) -> None:
    sampled(site, 86_400 + 60, redis_latency_ms=0.5)
    sampled(site, 60, redis_latency_ms=0.4)
    shown = chart(app, at_noon(site), NAME, Choice(compare="day"))
    assert "on average 0.40 ms , 20 % less highest 0.40 ms , 20 % less compared with the day before" in words(shown)
    past = series(shown)["lines"][-1]
    assert (past["name"], past["ink"], past["before"], past["values"][-2]) == (
        "on average the day before",
        "past",
        True,
        0.5,
    )
    assert told(shown)["before"]["mean_ms"] == 0.5


def test_before_the_first_sample_it_says_when_that_comes(app: Flask, site: Site) -> None:
    assert words(chart(app, at_noon(site), NAME)).endswith(EMPTY)
