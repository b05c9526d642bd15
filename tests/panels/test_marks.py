"""Marks below the charts and in them: listed, drawn without a script, and text from outside as text."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from panels._marks import Placed, placed
from services.marks_service import Mark

API = "/api/v1/deployments"
PAGES = ("/dashboard/observability", "/dashboard/charts")
TIMES = [0, 60, 120, 180, 240]


@pytest.mark.parametrize("page", PAGES)
def test_the_panel_is_on_the_page_and_says_how_to_tell_of_a_deployment(client: FlaskClient, page: str) -> None:
    text = client.get(page).text
    assert 'id="panel-marks"' in text and "headway deployed VERSION" in text
    assert 'class="marks"' not in text


def test_a_deployment_is_listed_with_its_link_and_marked_in_every_chart_of_the_page(client: FlaskClient) -> None:
    client.post(API, json={"version": "v1.4.2", "title": "Faster", "url": "https://example.org/v1.4.2"})
    (told,) = client.get("/dashboard/api/marks").json["marks"]
    assert (told["kind"], told["label"], told["path"]) == (
        "deployment",
        "v1.4.2 · Faster",
        "https://example.org/v1.4.2",
    )
    text = client.get("/dashboard/charts").text
    assert re.search(r'<a class="linked" href="https://example.org/v1.4.2"><bdi>v1.4.2 · Faster</bdi></a>', text)
    plots = re.findall(
        r'<div class="plot" id="plot-[^"]*" data-chart="(?:line|bars)".*?<div class="canvas"', text, re.S
    )
    assert len(plots) > 5
    assert all('<g class="deployment">' in plot and "v1.4.2" in plot for plot in plots)


def test_versions_titles_and_addresses_are_shown_as_text(client: FlaskClient) -> None:
    client.post(API, json={"version": "<b>v1", "title": '"><script>', "url": 'https://example.org/"><b>'})
    text = client.get("/dashboard/charts").text
    assert "<b>v1" not in text and '"><script>' not in text and 'org/"><b>' not in text
    assert "&lt;b&gt;v1" in text


@pytest.mark.parametrize(("kind", "middle", "end"), [("bars", 50.0, 90.0), ("line", 62.5, 100.0)])
def test_a_mark_stands_where_its_moment_lies_and_never_outside(kind: str, middle: float, end: float) -> None:
    def at(moment: float) -> float:
        (one,) = placed([Mark(moment, "deployment", "v1")], TIMES, kind)  # type: ignore[arg-type]
        return one.x

    assert (at(-500), at(0), at(150), at(270), at(1000)) == (0, 0, middle, end, 100)


def test_the_band_of_an_alert_lasts_until_it_was_over_or_the_chart_ends() -> None:
    over, fires = placed([Mark(60, "alert", "a", None, 120), Mark(120, "alert", "b")], TIMES, "bars")
    assert (over, fires) == (Placed("alert", 20.0, 20.0), Placed("alert", 40.0, 60.0))
    assert placed([Mark(60, "alert", "a")], [0], "bars") == []
