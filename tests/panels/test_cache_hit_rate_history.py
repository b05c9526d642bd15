from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from tests.panels.boards import at_noon, words
from tests.panels.charts import EMPTY, chart, counted, known

NAME = "cache-hit-rate-history"


def test_it_is_on_the_page(client: FlaskClient) -> None:
    assert f'id="panel-{NAME}"' in client.get("/dashboard/charts").text


def test_it_tells_which_share_of_the_looks_found_something(app: Flask, site: Site) -> None:
    for ago_s in range(180, 60, -10):
        early = min(180 - ago_s, 60)
        counted(site, ago_s, cache_hits=3 * early + max(120 - ago_s, 0), cache_misses=early)
    shown = chart(app, at_noon(site), NAME)
    rates = known(shown, "hit_rate")
    assert rates["11:57"] == 75.0
    assert 90.0 < rates["11:58"] <= 100.0
    assert "at worst 75.0 %" in words(shown)


def test_where_nothing_was_looked_up_it_says_so(app: Flask, site: Site) -> None:
    for ago_s in (180, 170, 60):
        counted(site, ago_s, cache_hits=5, cache_misses=5)
    assert "Nothing was looked up in the last hour." in words(chart(app, at_noon(site), NAME))


def test_before_the_first_sample_it_says_when_that_comes(app: Flask, site: Site) -> None:
    assert words(chart(app, at_noon(site), NAME)).endswith(EMPTY)
