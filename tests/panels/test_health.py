from __future__ import annotations

from dataclasses import replace

from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from services.archive_standing import Standing
from services.system_health import DutyHealth, Health, ProcessHealth, StoreHealth
from tests.panels.boards import HOSTILE, NOON, assert_harmless, at_noon, show, words

HEALTH = Health(
    StoreHealth(None, "Valkey", "9.1.2", 0.2, 1_800_000, 512_000_000, "append-only file"),
    "vm:17",
    (DutyHealth("history", 5, "2026-11-21T11:59:58.000Z", 4.8, 0, None, None),),
    {"headway": "0.1.0", "python": "3.11.7"},
    (ProcessHealth(17, "vm", "web", 61.5, "2026-11-21T11:00:00.000Z", "2026-11-21T11:59:59.000Z", True),),
    0,
)


def test_it_is_on_the_page(client: FlaskClient) -> None:
    assert 'id="panel-health"' in client.get("/dashboard/observability").text


def test_it_shows_store_duties_versions_processes_and_streams(app: Flask, site: Site) -> None:
    text = words(show(app, at_noon(site), "health", lambda _: HEALTH))
    for said in (
        "Store Valkey 9.1.2", "Memory 1.8 MB of 512.0 MB", "Open streams 0", "Duties run in vm:17", "history well 4.80 ms 5 s",
        "1 duty, all well; 1 process, versions", "vm:17 web, runs the duties 61.5 MB", "python 3.11.7",
    ):  # fmt: skip
        assert said in text


STANDING = Standing("PostgreSQL", None, 1_234_567, NOON - 2, 0, None, 0)


def test_it_says_what_the_archive_holds_and_how_far_behind_it_is(app: Flask, site: Site) -> None:
    def said(**stands: object) -> str:
        archive = replace(STANDING, **stands)  # type: ignore[arg-type]
        return words(show(app, at_noon(site), "health", lambda _: replace(HEALTH, archive=archive)))

    assert "Archive PostgreSQL, 1,234,567 jobs Open streams" in said()
    assert "1,234,567 jobs up to 1,200 behind since" in said(behind=1200, since=NOON - 300)
    assert "1,234,567 jobs up to 90,000 behind, comparing" in said(behind=90_000, comparing=90_000)
    away = said(unavailable="PostgreSQL can't be reached", behind=17, since=NOON - 60)
    assert "Archive unavailable , because PostgreSQL can't be reached." in away
    assert "1,234,567 jobs unavailable up to 17 behind" in away


def test_a_failing_duty_is_named_with_its_error(app: Flask, site: Site) -> None:
    failing = DutyHealth("retention", 60, "2026-11-21T11:59:58.000Z", 1.0, 3, HOSTILE, "2026-11-21T11:59:58.000Z")
    shown = show(app, site, "health", lambda _: replace(HEALTH, duties=(failing,)))
    assert "retention failed 3 times" in words(shown)
    assert_harmless(shown)


def test_duties_that_are_well_are_one_line_and_those_that_fail_stand_open(app: Flask, site: Site) -> None:
    ran = "2026-11-21T11:59:58.000Z"
    well = tuple(DutyHealth(name, 5, ran, 1.0, 0, None, None) for name in ("archive", "history"))
    failing = DutyHealth("brokers", 1, ran, 1.0, 1, "no route", ran)
    folded = show(app, site, "health", lambda _: replace(HEALTH, duties=well)).html.decode()
    assert folded.index("<details") < folded.index("2 duties, all well; 1 process") < folded.index("<td>archive")
    both = show(app, site, "health", lambda _: replace(HEALTH, duties=(well[0], failing, well[1]))).html.decode()
    open_, _, under = both.partition("2 other duties well;")
    assert "<td>brokers" in open_.partition("<details")[0]
    assert [f"<td>{name}" in under for name in ("archive", "history", "brokers")] == [True, True, False]


def test_where_the_store_is_away_it_says_why_and_still_shows_the_rest(app: Flask, site: Site) -> None:
    away = replace(HEALTH, store=StoreHealth("the store can't be reached"), leader=None, duties=(), processes=())
    text = words(show(app, site, "health", lambda _: away))
    assert "Store unavailable , because the store can't be reached. Tried again every 10 s." in text
    assert "Duties run in no process" in text
    assert "python 3.11.7" in text


def test_before_the_first_duty_it_says_so(app: Flask, site: Site) -> None:
    assert "No duty has run yet." in words(show(app, site, "health"))


def test_it_reads_the_real_store(app: Flask, site: Site) -> None:
    assert "Store Valkey" in words(show(app, site, "health"))
