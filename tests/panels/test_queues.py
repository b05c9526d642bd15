from __future__ import annotations

import json
from dataclasses import replace

from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from panels import PANELS, Board
from panels.queues import SHOWN
from services import jobs_service
from services.brokers.model import QueueNow
from services.job_rules import NewJob
from tests.panels.boards import HOSTILE, Parts, assert_harmless, show, words
from tests.told import fails, now_ms, stands


def test_it_is_on_the_page_of_a_site_with_queues(client: FlaskClient, site: Site) -> None:
    jobs_service.create(site, NewJob(queue="mail"))
    assert 'id="panel-queues"' in client.get("/dashboard/observability").text


def test_a_site_without_brokers_and_queues_has_none_of_the_three_and_an_invitation_where_its_first_job_is_awaited(
    client: FlaskClient,
) -> None:
    page = client.get("/dashboard/observability").text
    assert not [name for name in ("queues", "workers", "schedules") if f'id="panel-{name}"' in page]
    assert "Jobs of RQ and Celery come by themselves" in page
    for name in ("queues", "workers", "schedules"):
        html = client.get(f"/dashboard/api/{name}-html").text
        assert "[[queues]]\nkind = &#34;rq&#34;  # or &#34;celery&#34;\nurl = " in html


def test_what_is_absent_stays_so_while_the_store_is_away(app: Flask, site: Site) -> None:
    answers = iter([PANELS["queues"].data(site)])
    panel = replace(PANELS["queues"], data=lambda _: next(answers))
    board = Board(site, app.jinja_env, {"queues": panel})
    assert board.page() == []
    board._slots["queues"].until = 0.0
    board.poll("queues")
    assert board.poll("queues").unavailable
    assert board.page() == []


def test_queues_to_worry_about_come_first_then_the_deepest(app: Flask, noon: Site) -> None:
    deep = [QueueNow(name=f"q{depth}", counts={"queued": depth}, workers=1) for depth in range(SHOWN + 2)]
    stands(
        noon, queues=[*deep, QueueNow(name="mail", counts={"queued": 2}, oldest_ms=now_ms(noon) - 60_000, workers=0)]
    )
    shown = show(app, noon, "queues")
    told = json.loads(shown.json)
    assert [queue["name"] for queue in told["queues"]] == ["mail", "q7", "q6", "q5", "q4", "q3"]
    assert (told["total"], told["waiting"], told["concerned"]) == (9, 30, 1)
    text = words(shown)
    assert "30 wait 1 queue needs a look" in text
    assert "mail 2 jobs wait and no worker listens rq" in text
    assert "All 9 queues" in text
    assert ("href", "/dashboard/jobs?q=state%3Aqueued+queue%3Aq7+agent%3Arq") in Parts(shown.html.decode()).attributes


def test_a_broker_that_is_away_says_why_and_shows_its_last_figures_as_old(app: Flask, noon: Site) -> None:
    stands(noon, queues=[QueueNow(name="mail", counts={"queued": 2}, workers=1)])
    fails(noon, "nothing listens at <its> address")
    shown = show(app, noon, "queues")
    assert "rq is unavailable , because nothing listens at <its> address ." in words(shown)
    assert b'id="queue-rq/mail" class="old"' in shown.html
    stands(noon, queues=[QueueNow(name="mail", counts={"queued": 2}, workers=1)])
    assert b'class="old"' not in show(app, noon, "queues").html


def test_a_broker_that_was_never_read_says_so(app: Flask, noon: Site) -> None:
    fails(noon, "nothing listens at its address")
    assert "Nothing was read of it before." in words(show(app, noon, "queues"))


def test_what_a_broker_notes_is_told(app: Flask, noon: Site) -> None:
    stands(noon, notes=["12 jobs are scheduled in mail and no scheduler runs there"])
    text = words(show(app, noon, "queues"))
    assert "rq 12 jobs are scheduled in mail and no scheduler runs there" in text
    assert "No queues yet. A queue is here once a job was put into it." in text


def test_hostile_names_stay_text(app: Flask, noon: Site) -> None:
    stands(noon, queues=[QueueNow(name=HOSTILE, counts={"queued": 1})], notes=[HOSTILE])
    shown = show(app, noon, "queues")
    assert_harmless(shown, "<img src=x onerror=alert(1)>")
    assert b"/dashboard/queues/rq/%3Cimg%20src" in shown.html
