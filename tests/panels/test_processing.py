from __future__ import annotations

import re

from flask import Flask
from flask.testing import FlaskClient

from core import keys
from core.site import Site
from panels.processing import SHOWN
from services import jobs_service
from services.job_changes import JobRef
from services.job_rules import NewJob, Update
from tests.panels.boards import HOSTILE, assert_harmless, at_noon, show, words
from tests.told import fails


def processing(site: Site, title: str = "Sunday Service", **changes: object) -> int:
    job = jobs_service.create(site, NewJob(title=title)).job
    assert job is not None
    jobs_service.update(site, JobRef(number=job.number), Update(**{"stage": "rendering", "progress": 54.0, **changes}))  # type: ignore[arg-type]
    return job.number


def test_it_is_on_the_page(client: FlaskClient) -> None:
    assert 'id="panel-processing"' in client.get("/dashboard/observability").text


def test_a_job_shows_its_title_stage_message_and_progress(app: Flask, site: Site) -> None:
    number = processing(site, message="8,412 of 12,900")
    shown = show(app, at_noon(site), "processing")
    text = words(shown)
    assert text.startswith("Sunday Service 54 % rendering · 8,412 of 12,900 since ")
    assert b'aria-label="54 % done"' in shown.html
    assert b'<rect class="now" x="0.0" width="54.0"' in shown.html
    assert f'href="/dashboard/jobs/{number}"'.encode() in shown.html


def test_each_stage_of_a_job_is_a_segment_of_its_bar(app: Flask, site: Site) -> None:
    number = processing(site, stage="fetch", progress=10.0)
    jobs_service.update(site, JobRef(number=number), Update(stage="render", progress=60.0))
    html = show(app, site, "processing").html.decode()
    assert [html.count(f'<rect class="{kind}"') for kind in ("done", "now")] == [1, 1]
    assert "<title>fetch</title>" in html


def test_it_shows_the_first_few_each_in_its_place_and_counts_all(app: Flask, site: Site) -> None:
    for i in range(SHOWN + 2):
        processing(site, f"job {i}")
    text = words(show(app, site, "processing"))
    assert re.findall(r"job (\d+) ", text) == [str(i) for i in range(SHOWN)]
    assert f"All {SHOWN + 2}" in text


def test_a_job_that_ended_leaves_it(app: Flask, site: Site) -> None:
    number = processing(site)
    jobs_service.update(site, JobRef(number=number), Update(status="completed"))
    assert words(show(app, site, "processing")).startswith("Nothing is being processed.")


def test_what_is_at_work_is_not_known_while_the_only_broker_is_away(app: Flask, site: Site) -> None:
    fails(site, "its Redis can't be reached")
    assert "not known while a broker is unavailable" in words(show(app, site, "processing"))
    assert "Which jobs there are is not known" in words(show(app, site, "jobs"))
    processing(site)
    assert "not known" not in words(show(app, site, "processing")) + words(show(app, site, "jobs"))


def test_a_damaged_job_shows_as_damaged_beside_the_others(app: Flask, site: Site) -> None:
    processing(site, "whole")
    number = processing(site, "broken")
    site.store.redis.delete(keys.JOB.at(0, number))
    text = words(show(app, site, "processing"))
    assert f"Job {number} damaged" in text
    assert "whole" in text


def test_hostile_texts_stay_text(app: Flask, site: Site) -> None:
    processing(site, HOSTILE, stage="<b onclick=x>", message=HOSTILE)
    assert_harmless(show(app, site, "processing"), HOSTILE, "<b onclick=x>")
