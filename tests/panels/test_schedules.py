from __future__ import annotations

import json

from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from panels.schedules import SHOWN
from services.brokers.model import ScheduleNow
from tests.panels.boards import HOSTILE, assert_harmless, show, words
from tests.told import fails, mirrors, now_ms, stands


def test_it_is_on_the_page_of_a_site_with_a_broker(client: FlaskClient, site: Site) -> None:
    stands(site)
    page = client.get("/dashboard/observability").text
    assert 'id="panel-schedules"' in page
    assert "Nothing is scheduled." in page


def test_what_begins_next_is_told_and_whose_scheduler_gives_no_sign(app: Flask, noon: Site) -> None:
    now = now_ms(noon)
    entries = [ScheduleNow(name=f"s{place}", spec="every 30 s", next_ms=now + place) for place in range(SHOWN + 1)]
    stands(noon, schedules=[*entries, ScheduleNow(name="nightly", spec="0 3 * * *", next_ms=now - 1, alive=False)])
    for place in range(SHOWN + 1):
        mirrors(noon, f"j{place}", fn="app.send", qu="mail", x="scheduled", du=now + 60_000 + place)
    shown = show(app, noon, "schedules")
    told = json.loads(shown.json)
    assert (told["entries"], told["due"], told["unkept"]) == (SHOWN + 2, SHOWN + 1, 1)
    assert [one["now"]["name"] for one in told["schedules"]] == ["nightly", "s0", "s1", "s2"]
    text = words(shown)
    assert text.startswith(
        "6 schedules 5 jobs wait for a time 1 without a live scheduler nightly 0 3 * * * its scheduler"
    )
    assert "app.send scheduled in mail 21 Nov 2026, 12:01:00 UTC" in text
    assert b'data-when="until"' in shown.html


def test_a_broker_that_is_away_says_why(app: Flask, noon: Site) -> None:
    stands(noon, schedules=[ScheduleNow(name="nightly", spec="0 3 * * *")])
    fails(noon, "nothing listens at its address")
    shown = show(app, noon, "schedules")
    assert "rq is unavailable , because nothing listens at its address ." in words(shown)
    assert b'<tr class="old">' in shown.html


def test_hostile_names_stay_text(app: Flask, noon: Site) -> None:
    stands(noon, schedules=[ScheduleNow(name=HOSTILE, spec=HOSTILE)])
    mirrors(noon, "j", l=HOSTILE, qu="mail", x="scheduled", du=now_ms(noon) + 1_000)
    assert_harmless(show(app, noon, "schedules"), "<img src=x onerror=alert(1)>")
