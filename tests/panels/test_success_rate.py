from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from core import keys
from core.site import Site
from core.store import Store
from panels.success_rate import RatePoint, SuccessRate
from tests.panels.boards import Parts, at_noon, show, words

SHOWN = SuccessRate(
    range="15m",
    starts_at="2026-11-21T11:59:00.000Z",
    ends_at="2026-11-21T12:01:00.000Z",
    step_s=60,
    ended=1_284,
    success_rate=99.96,
    lowest=50.0,
    points=(
        RatePoint("2026-11-21T11:59:00.000Z", 50.0),
        RatePoint("2026-11-21T12:00:00.000Z", 100.0),
    ),
)


def test_it_is_on_the_page(client: FlaskClient) -> None:
    assert 'id="panel-success-rate"' in client.get("/dashboard/observability").text


def test_it_says_the_share_of_how_many_and_never_rounds_up_to_all(app: Flask, site: Site) -> None:
    assert "99.9 % of 1,284 jobs at worst 50.0 %" in words(show(app, at_noon(site), "success-rate", lambda _: SHOWN))


def test_its_scale_reaches_down_to_the_worst_step(app: Flask, site: Site) -> None:
    shown = show(app, at_noon(site), "success-rate", lambda _: SHOWN)
    attributes = dict(Parts(shown.html.decode()).attributes)
    assert (attributes["data-least"], attributes["data-most"]) == ("50.0", "100.0")
    assert b'd="M0.0 97.0L300.0 3.0"' in shown.html


def test_steps_where_nothing_ended_are_gaps(client: FlaskClient, site: Site, store: Store) -> None:
    minute = int(site.clock() // 60) - 2
    store.redis.hset(keys.MINUTE.at(0, minute), mapping={"completed": 2, "failed": 1})
    figures = client.get("/dashboard/api/success-rate").json
    assert (figures["ended"], figures["success_rate"], figures["lowest"]) == (3, 66.67, 66.67)
    assert [each["success_rate"] for each in figures["points"] if each["success_rate"] is not None] == [66.67]


def test_where_no_job_ended_it_says_so(app: Flask, site: Site) -> None:
    assert words(show(app, at_noon(site), "success-rate")).endswith("now No job ended in the last hour.")
