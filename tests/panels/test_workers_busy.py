from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from tests.panels.boards import at_noon, words
from tests.panels.charts import EMPTY, chart, known, sampled

NAME = "workers-busy"


def test_it_is_on_the_page(client: FlaskClient) -> None:
    assert f'id="panel-{NAME}"' in client.get("/dashboard/charts").text


def test_it_tells_how_many_jobs_and_agents_were_at_work(app: Flask, site: Site) -> None:
    for ago_s, jobs, agents in ((130, 2, 1), (70, 4, 2), (65, 6, 2)):
        sampled(site, ago_s, jobs_processing=jobs, agents_busy=agents)
    shown = chart(app, at_noon(site), NAME)
    assert known(shown, "jobs") == {"11:57": 2.0, "11:58": 5.0}
    assert known(shown, "agents") == {"11:57": 1.0, "11:58": 2.0}
    assert "3.50 jobs at work on average 1.50 agents at most 6 jobs" in words(shown)


def test_real_workers_are_told_where_there_are_any(app: Flask, site: Site) -> None:
    sampled(site, 130, jobs_processing=2, agents_busy=1)
    sampled(site, 70, jobs_processing=4, agents_busy=1, workers_busy=4, workers=6)
    shown = chart(app, at_noon(site), NAME)
    assert known(shown, "busy") == {"11:58": 4.0}
    assert known(shown, "workers") == {"11:58": 6.0}
    assert "4.00 workers at work of 6.00 workers" in words(shown)


def test_before_the_first_sample_it_says_when_that_comes(app: Flask, site: Site) -> None:
    assert words(chart(app, at_noon(site), NAME)).endswith(EMPTY)
