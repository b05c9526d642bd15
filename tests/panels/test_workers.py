from __future__ import annotations

import json

from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from panels.workers import SHOWN
from services.brokers.model import WorkerNow
from tests.panels.boards import HOSTILE, assert_harmless, show, words
from tests.told import fails, mirrors, now_ms, stands


def test_it_is_on_the_page_of_a_site_with_a_broker(client: FlaskClient, site: Site) -> None:
    stands(site)
    page = client.get("/dashboard/observability").text
    assert 'id="panel-workers"' in page
    assert "No worker is known." in page


def test_workers_to_worry_about_come_first_with_what_they_work_on(app: Flask, noon: Site) -> None:
    mirrors(noon, "j1", qu="mail", fn="app.send", s="processing", x="started", sa=now_ms(noon) - 90_000)
    idle = [WorkerNow(name=f"idle{place}", state="idle", queues=("mail", "web")) for place in range(SHOWN)]
    busy = WorkerNow(name="busy", state="busy", jobs=("j1",), heartbeat_ms=now_ms(noon) - 240_000)
    dead = WorkerNow(name="dead", state="dead", heartbeat_ms=now_ms(noon) - 900_000)
    stands(noon, workers=[*idle, busy, dead])
    shown = show(app, noon, "workers")
    told = json.loads(shown.json)
    assert (told["total"], told["busy"], told["dead"], len(told["workers"])) == (8, 1, 1, SHOWN)
    text = words(shown)
    assert text.startswith("1 of 8 busy 1 dead dead rq its last heartbeat was 15 min ago dead busy app.send since")
    assert "its last heartbeat was 4 min ago busy idle0 mail, web idle" in text
    assert b'href="/dashboard/jobs/1"' in shown.html


def test_a_broker_that_is_away_says_why_and_shows_its_last_workers_as_old(app: Flask, noon: Site) -> None:
    stands(noon, workers=[WorkerNow(name="w", state="idle")])
    fails(noon, "nothing listens at its address")
    shown = show(app, noon, "workers")
    assert "rq is unavailable , because nothing listens at its address ." in words(shown)
    assert b'id="worker-rq/w" class="old"' in shown.html


def test_hostile_names_stay_text(app: Flask, noon: Site) -> None:
    worker = WorkerNow(name=HOSTILE, state="busy", queues=(HOSTILE,), jobs=(HOSTILE,), functions=(HOSTILE,))
    stands(noon, workers=[worker])
    assert_harmless(show(app, noon, "workers"), "<img src=x onerror=alert(1)>")
