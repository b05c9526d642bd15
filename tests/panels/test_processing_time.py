from __future__ import annotations

import json

from flask import Flask
from flask.testing import FlaskClient

from core import keys
from core.site import Site
from core.store import Store
from panels.processing_time import ProcessingTime, TimePoint
from tests.panels.boards import Parts, at_noon, show, words

SHOWN = ProcessingTime(
    range="6h",
    starts_at="2026-11-21T11:50:00.000Z",
    ends_at="2026-11-21T12:05:00.000Z",
    step_s=300,
    p50_s=8.2,
    p95_s=93.0,
    mean_s=20.51,
    points=(
        TimePoint("2026-11-21T11:50:00.000Z", 8.0, 60.0),
        TimePoint("2026-11-21T11:55:00.000Z", None, None),
        TimePoint("2026-11-21T12:00:00.000Z", 9.0, 120.0),
    ),
)


def test_it_is_on_the_page(client: FlaskClient) -> None:
    assert 'id="panel-processing-time"' in client.get("/dashboard/observability").text


def test_it_names_its_lines_with_their_figures(app: Flask, site: Site) -> None:
    shown = show(app, at_noon(site), "processing-time", lambda _: SHOWN)
    assert "p50 8.2 s p95 1 min 33 s on average 20.5 s Figures From p50 p95" in words(shown)
    assert b'<path class="series dash second"' in shown.html


def test_where_none_ended_a_line_has_a_gap(app: Flask, site: Site) -> None:
    shown = show(app, at_noon(site), "processing-time", lambda _: SHOWN)
    series = json.loads(dict(Parts(shown.html.decode()).attributes)["data-series"] or "")
    assert [line["values"] for line in series["lines"]] == [[8.0, None, 9.0], [60.0, None, 120.0]]
    assert [line.get("dash", False) for line in series["lines"]] == [False, True]


def test_its_figures_are_of_the_range(client: FlaskClient, site: Site, store: Store) -> None:
    minute = int(site.clock() // 60) - 2
    store.redis.hset(keys.MINUTE.at(0, minute), mapping={"completed": 2, "duration_ms": 3000, "d72": 1, "d79": 1})
    figures = client.get("/dashboard/api/processing-time").json
    assert (figures["p50_s"], figures["p95_s"], figures["mean_s"]) == (1.002, 1.953, 1.5)


def test_where_no_job_ended_it_says_so(app: Flask, site: Site) -> None:
    assert words(show(app, at_noon(site), "processing-time")).endswith("now No job ended in the last hour.")
