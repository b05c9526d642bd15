from __future__ import annotations

import json

from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from panels.jobs import TOP, JobsOverview
from services import jobs_service
from services.analytics_service import Agent
from services.job_changes import JobRef
from services.job_rules import NewJob, Update
from tests.panels.boards import HOSTILE, Parts, assert_harmless, at_noon, show, words

OVERVIEW = JobsOverview(
    queued=12,
    processing=3,
    completed=1_284_311,
    failed=57,
    canceled=0,
    total=1_284_383,
    success_rate=99.99,
    jobs_per_minute=12.4,
    mean_duration_s=19.1,
    agents=(Agent("studio", 2, 1, 40, 2, 95.24, "2026-11-21T12:00:00.000Z"),),
    snapshot_at="2026-11-21T12:00:00.000Z",
)


def test_it_is_on_the_page(client: FlaskClient) -> None:
    assert 'id="panel-jobs"' in client.get("/dashboard/observability").text


def test_it_shows_counts_rates_and_agents(app: Flask, site: Site) -> None:
    shown = show(app, at_noon(site), "jobs", lambda _: OVERVIEW)
    text = words(shown)
    assert "12 queued 3 processing 1.284 M completed 57 failed" in text
    assert "99.9 % succeed 12.4 a minute 19.1 s on average" in text
    assert "By agent Active Succeed studio 3 95.2 %" in text
    assert ("title", "1,284,311 completed") in Parts(shown.html.decode()).attributes
    assert b'href="/dashboard/jobs?status=failed"' in shown.html
    assert b'href="/dashboard/agents">All agents' in shown.html


def test_before_the_first_job_it_teaches_how_to_report_one(app: Flask, site: Site) -> None:
    text = words(show(app, site, "jobs"))
    assert "No jobs yet. Report the first one, with a token that may write in HEADWAY_TOKEN :" in text
    assert 'curl http://127.0.0.1:8000/api/v1/queue -H "Authorization: Bearer $HEADWAY_TOKEN"' in text
    assert '{"title": "My first job"}' in text


def test_counts_are_live_while_the_rest_is_the_snapshot(app: Flask, site: Site) -> None:
    jobs_service.create(site, NewJob(title="one"))
    first = json.loads(show(app, site, "jobs").json)
    made = jobs_service.create(site, NewJob(title="two")).job
    assert made is not None
    jobs_service.update(site, JobRef(number=made.number), Update(status="failed", error="x"))
    second = json.loads(show(app, site, "jobs").json)
    assert (first["queued"], first["failed"]) == (1, 0)
    assert (second["queued"], second["failed"], second["success_rate"]) == (1, 1, 0.0)
    assert second["snapshot_at"] == first["snapshot_at"]


def test_it_names_the_busiest_few_agents_only(app: Flask, site: Site) -> None:
    for i in range(TOP + 3):
        jobs_service.create(site, NewJob(agent=f"agent-{i}"))
    assert len(json.loads(show(app, site, "jobs").json)["agents"]) == TOP


def test_a_hostile_agent_stays_text(app: Flask, site: Site) -> None:
    agent = "<img src=x onerror=alert(1)>\u202egnp.exe"
    jobs_service.create(site, NewJob(agent=agent))
    shown = show(app, site, "jobs")
    assert_harmless(shown, agent)
    assert b"/dashboard/agents/%3Cimg" in shown.html
    assert HOSTILE.encode() not in shown.html
