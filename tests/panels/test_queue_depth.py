from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from services import history_service, jobs_service
from services.job_rules import NewJob
from tests.panels.boards import at_noon, show, words


def test_it_is_on_the_page(client: FlaskClient) -> None:
    assert 'id="panel-queue-depth"' in client.get("/dashboard/observability").text


def test_it_shows_how_many_waited_on_average_and_at_most(app: Flask, site: Site, client: FlaskClient) -> None:
    for _ in range(4):
        history_service.sample(site)
        jobs_service.create(site, NewJob())
    figures = client.get("/dashboard/api/queue-depth").json
    assert (figures["average"], figures["highest"]) == (1.5, 3)
    assert "on average 1.50 queued at most 3" in words(show(app, site, "queue-depth"))


def test_an_empty_queue_is_zero_and_not_unknown(app: Flask, site: Site) -> None:
    history_service.sample(site)
    shown = words(show(app, site, "queue-depth"))
    assert "on average 0 queued at most 0" in shown
    assert "No sample" not in shown


def test_before_the_first_sample_it_says_when_that_comes(app: Flask, site: Site) -> None:
    said = "No sample yet. The first one comes within a few seconds."
    assert words(show(app, at_noon(site), "queue-depth")).endswith(said)
