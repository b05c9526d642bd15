from __future__ import annotations

import json

from flask import Flask
from flask.testing import FlaskClient

from core import keys
from core.site import Site
from core.store import Store
from panels.jobs_per_minute import EndedPoint, JobsPerMinute
from tests.panels.boards import Parts, at_noon, show, words

SHOWN = JobsPerMinute(
    range="1h",
    starts_at="2026-11-21T11:58:00.000Z",
    ends_at="2026-11-21T12:01:00.000Z",
    step_s=60,
    completed=50,
    failed=10,
    most=40.0,
    points=(
        EndedPoint("2026-11-21T11:58:00.000Z", 30.0, 10.0, 40.0),
        EndedPoint("2026-11-21T11:59:00.000Z", 0.0, 0.0, 0.0),
        EndedPoint("2026-11-21T12:00:00.000Z", 20.0, 0.0, 0.0),
    ),
)


def test_it_is_on_the_page(client: FlaskClient) -> None:
    assert 'id="panel-jobs-per-minute"' in client.get("/dashboard/observability").text


def test_it_shows_what_ended_with_failures_on_top(app: Flask, site: Site) -> None:
    shown = show(app, at_noon(site), "jobs-per-minute", lambda _: SHOWN)
    html = shown.html.decode()
    assert '<path class="filled accent" d="M10.0 97.0h80.0v-70.5h-80.0z' in html
    assert '<path class="filled bad" d="M10.0 26.5h80.0v-23.5h-80.0z"/>' in html
    assert "50 completed 10 failed at most 40.0 a minute Figures From Completed Failed" in words(shown)


def test_its_lines_go_to_the_chart_in_the_order_of_their_stack(app: Flask, site: Site) -> None:
    shown = show(app, at_noon(site), "jobs-per-minute", lambda _: SHOWN)
    series = json.loads(dict(Parts(shown.html.decode()).attributes)["data-series"] or "")
    assert [(each["name"], each["ink"], each["values"]) for each in series["lines"]] == [
        ("completed", "accent", [30.0, 0.0, 20.0]),
        ("failed", "bad", [10.0, 0.0, 0.0]),
    ]


def test_it_counts_a_minute_in_every_range(client: FlaskClient, site: Site, store: Store) -> None:
    now = int(site.clock() // 3600)
    store.redis.hset(keys.HOUR.at(0, now - 2), mapping={"completed": 90, "failed": 30})
    week = client.get("/dashboard/api/jobs-per-minute?range=7d").json
    assert (week["range"], week["step_s"], week["completed"], week["failed"]) == ("7d", 3600, 90, 30)
    assert (week["points"][-3]["completed"], week["points"][-3]["failed"], week["most"]) == (1.5, 0.5, 2.0)


def test_where_no_job_ended_it_says_so(app: Flask, site: Site) -> None:
    shown = show(app, at_noon(site), "jobs-per-minute")
    assert words(shown).endswith("now No job ended in the last hour.")
    assert "figures" not in words(shown)
