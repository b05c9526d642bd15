from __future__ import annotations

import json

from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from services import history_service
from services.history_service import LatencyPoint, LatencySeries
from tests.panels.boards import NOON, Parts, at_noon, show, words

SERIES = LatencySeries(
    tuple(LatencyPoint(f"2026-11-21T12:00:{5 * i:02}.000Z", round(0.4 + i / 10, 1)) for i in range(4)), 0.7, 1.93, 2.04
)


def test_it_is_on_the_page_three_columns_wide(client: FlaskClient) -> None:
    assert 'class="panel w3" id="panel-redis-latency"' in client.get("/dashboard/observability").text


def test_its_points_go_to_the_chart_and_stand_in_a_table(app: Flask, site: Site) -> None:
    shown = show(app, at_noon(site), "redis-latency", lambda _: SERIES)
    attributes = dict(Parts(shown.html.decode()).attributes)
    series = json.loads(attributes["data-series"] or "")
    assert series["at"] == [NOON + 5 * i for i in range(4)]
    assert [line["values"] for line in series["lines"]] == [[0.4, 0.5, 0.6, 0.7]]
    assert (attributes["data-unit"], attributes["data-says"]) == ("ms", "clock")
    assert "Time Latency, ms" in words(shown)
    assert shown.html.count(b"<td>") == 4
    assert "now 0.70 ms p99 1.93 ms highest 2.04 ms" in words(shown)


def test_its_canvas_is_left_alone_by_a_refresh(app: Flask, site: Site) -> None:
    html = show(app, site, "redis-latency", lambda _: SERIES).html.decode()
    assert '<div class="canvas" hx-morph-skip><canvas' in html


def test_without_a_script_a_drawing_shows_the_line_from_zero(app: Flask, site: Site) -> None:
    html = show(app, site, "redis-latency", lambda _: SERIES).html.decode()
    assert '<path class="series accent" d="M0.0 ' in html
    assert "L300.0 97.0Z" in html


def test_before_the_first_sample_it_says_when_that_comes(app: Flask, site: Site) -> None:
    shown = show(app, site, "redis-latency")
    assert words(shown) == "No sample yet. The first one comes within a few seconds."


def test_a_reload_and_a_second_browser_see_the_same_points(app: Flask, site: Site, client: FlaskClient) -> None:
    for _ in range(25):
        history_service.sample(site)
    one = client.get("/dashboard/api/redis-latency").json["points"]
    assert len(one) == history_service.POINTS
    assert json.loads(show(app, site, "redis-latency").json)["points"] == one
