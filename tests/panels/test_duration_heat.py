from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core import keys
from core.site import Site
from core.store import Store
from panels import _heat
from panels.duration_heat import DurationHeat
from services.heat_service import CLASSES, Column, Heat, counted_from_ms
from tests.panels.boards import NOON, Parts, at_noon, show, words

START = int(NOON) - 120


def heat(*ended: tuple[int, ...]) -> DurationHeat:
    """Columns of a minute, of the classes from 1 s to 30 s."""
    columns = tuple(Column(START + 60 * at, 60, each) for at, each in enumerate(ended))
    cells = [number for each in ended for number in each]
    return DurationHeat(
        "1h",
        "2026-11-21T11:58:00.000Z",
        "2026-11-21T12:00:00.000Z",
        60,
        Heat(CLASSES[3:6], columns),
        sum(cells),
        max(cells),
    )


def drawn(html: str) -> Iterator[tuple[str, int, int, str]]:
    found = re.findall(r'<rect class="(shade-\d)" x="(\d+)" y="(\d+)"[^>]*><title>([^<]+)</title>', html)
    return ((shade, int(x), int(y), title) for shade, x, y, title in found)


def test_it_is_on_the_page_of_charts_and_says_where_nothing_ended(client: FlaskClient) -> None:
    page = client.get("/dashboard/charts").text
    assert 'id="panel-duration-heat"' in page
    assert "No job ended in the last hour." in Parts(page).text


def test_a_cell_stands_for_its_time_and_class_the_longest_above(app: Flask, site: Site) -> None:
    html = show(app, at_noon(site), "duration-heat", lambda _: heat((1, 0, 0), (0, 4, 36))).html.decode()
    assert list(drawn(html)) == [
        ("shade-1", 0, 2, "1 job, 1–3 s, 21 Nov, 11:58 to 11:59 UTC"),
        ("shade-2", 1, 1, "4 jobs, 3–10 s, 21 Nov, 11:59 to 12:00 UTC"),
        ("shade-6", 1, 0, "36 jobs, 10–30 s, 21 Nov, 11:59 to 12:00 UTC"),
    ]
    assert (
        f'href="/dashboard/history?from={START + 60}&amp;to={START + 120}&amp;min_s={counted_from_ms(10) / 1000}&amp;max_s={(counted_from_ms(30) - 1) / 1000}" tabindex="-1"'
        in html
    )


def test_its_figures_stand_in_a_table_newest_first_each_time_with_a_link(app: Flask, site: Site) -> None:
    shown = show(app, at_noon(site), "duration-heat", lambda _: heat((1, 0, 0), (0, 0, 0), (0, 4, 36)))
    html = shown.html.decode()
    rows = re.findall(r'<tr><td><a class="linked" href="([^"]+)">.*?</tr>', html)
    assert rows == [f"/dashboard/history?from={at}&amp;to={at + 60}" for at in (START + 120, START)]
    assert "From 1–3 s 3–10 s 10–30 s" in words(shown)
    assert "41 jobs ended" in words(shown)


def test_the_legend_tells_how_many_each_shade_stands_for(app: Flask, site: Site) -> None:
    assert "jobs to a cell of 1 min: 1 2–4 5–9 10–16 17–25 26–36 " in words(
        show(app, at_noon(site), "duration-heat", lambda _: heat((1, 0, 0), (0, 4, 36)))
    )


@pytest.mark.parametrize("most", [1, 2, 3, 5, 7, 30, 36, 37, 100, 12_345])
def test_each_number_has_the_shade_that_the_legend_names(most: int) -> None:
    shades = _heat.shades(most)
    assert (shades[0].low, shades[-1].high) == (1, most)
    for before, after in pairwise(shades):
        assert after.low == before.high + 1
    for shade in shades:
        assert {_heat.level(shade.low, most), _heat.level(shade.high, most)} == {shade.level}


def test_of_an_agent_its_own_jobs_are_shown_in_the_classes_that_are_kept_of_it(client: FlaskClient, site: Site) -> None:
    figures = client.get("/dashboard/api/duration-heat?agent=a%26b").json
    assert (figures["agent"], figures["jobs"]) == ("a&b", 0)
    page = client.get("/dashboard/charts?agent=a%26b").text
    assert "Of no job of a&b that ended in the last hour is known how long it took." in Parts(page).text
    assert "Durations over time of a&b" in Parts(page).text and "Success rate of a&b" not in Parts(page).text


def test_the_cells_of_an_agent_lead_to_its_jobs(app: Flask, site: Site) -> None:
    one = replace(heat((1, 0, 0)), agent="<b>&c")
    shown = show(app, at_noon(site), "duration-heat", lambda _: one)
    assert b"min_s=1&amp;max_s=3&amp;agent=%3Cb%3E%26c" in shown.html
    assert "1 job of <b>&c ended" in words(shown)


def test_a_span_that_begins_before_what_is_kept_says_so(app: Flask, site: Site) -> None:
    old = replace(heat((1, 0, 0)), known_since="2026-08-23T12:00:00.000Z")
    assert "Of the time before 23 Aug 2026, 12:00:00 UTC no durations are kept." in words(
        show(app, at_noon(site), "duration-heat", lambda _: old)
    )


def test_of_none_there_is_no_shade() -> None:
    assert _heat.shades(0) == []


def test_every_class_has_a_name() -> None:
    assert [_heat.says(each) for each in CLASSES] == [
        "under 100 ms", "100–300 ms", "300 ms–1 s", "1–3 s", "3–10 s", "10–30 s", "30 s–1 min", "1–3 min", "3–10 min",
        "10–30 min", "30 min–1 h", "1–2 h", "over 2 h",
    ]  # fmt: skip
    assert _heat.query(Column(0, 60, ()), CLASSES[-1]) == f"?from=0&to=60&min_s={counted_from_ms(7200) / 1000}"
    assert _heat.between(Column(START - 43_200, 86_400, ())) == "20 Nov, 23:58 to 21 Nov, 23:58 UTC"


@pytest.mark.parametrize(
    "query", ["range=30d", "from=2026-11-20T00:00:00Z&to=2026-11-20T06:00:00Z", "range=6h&compare=day"]
)
def test_its_json_is_of_the_span_that_was_asked_for(client: FlaskClient, site: Site, query: str) -> None:
    figures = client.get(f"/dashboard/api/duration-heat?{query}").json
    assert figures["heat"]["columns"][0]["start"] == datetime.fromisoformat(figures["starts_at"]).timestamp()
    assert (figures["jobs"], figures["heat"]["classes"]) == (0, [])
    assert "cells" not in figures


def test_what_ended_is_counted(client: FlaskClient, site: Site, store: Store) -> None:
    minute = int(site.clock() // 60) - 2
    store.redis.hset(keys.MINUTE.at(0, minute), mapping={"completed": 2, "d90": 2, "failed": 1, "d50": 1})
    figures = client.get("/dashboard/api/duration-heat").json
    assert (figures["jobs"], figures["most"]) == (3, 2)
    column = next(each for each in figures["heat"]["columns"] if each["start"] == minute * 60)
    assert sum(column["ended"]) == 3
