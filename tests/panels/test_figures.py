"""A chart's points as its script, its table and its CSV get them, and how its figures are compared."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest

from panels import Line
from panels._charted import Charted
from panels._compared import axis, compared, lately, said, says, than
from panels._figures import as_csv, drawing, heads, rows

LINES = (
    Line("p50_s", "p50", "s", compared=False),
    Line("p95_s", "=p95", "s", dash=True),
)
ENDED = (Line("done", "done"), Line("ended", "ended", only_before=True))


@dataclass(frozen=True)
class Point:
    at: str
    p50_s: float | None = None
    p95_s: float | None = None


def data(*points: Point, **more: Any) -> Charted:
    return Charted(range="1h", starts_at="", ends_at="", step_s=60, points=points, **more)


NOW = data(Point("2026-11-21T11:59:00.000Z", 1.0, 61.0), Point("2026-11-21T12:00:00.000Z"))
BOTH = replace(
    NOW,
    compare="day",
    before=data(Point("2026-11-20T11:59:00.000Z", 2.0, 3.0), Point("2026-11-20T12:00:00.000Z", 2.0, 4.0)),
)


def test_the_chart_gets_times_in_seconds_and_a_value_each() -> None:
    drawn = drawing(NOW, LINES)
    assert drawn["at"] == [1795262340, 1795262400]
    assert [(line["name"], line["values"], line.get("dash", False)) for line in drawn["lines"]] == [
        ("p50", [1.0, None], False),
        ("=p95", [61.0, None], True),
    ]


def test_of_the_past_it_gets_the_lines_that_are_compared() -> None:
    past = drawing(BOTH, LINES)["lines"][2:]
    assert past == [{"name": "=p95 the day before", "ink": "past", "values": [3.0, 4.0], "before": True}]


def test_what_is_only_of_the_past_is_not_drawn_of_the_present() -> None:
    @dataclass(frozen=True)
    class Ended:
        at: str
        done: int
        ended: int

    points = (Ended("2026-11-21T12:00:00.000Z", 2, 3),)
    both = replace(data(), points=points, compare="week", before=replace(data(), points=points))
    assert [line["name"] for line in drawing(both, ENDED)["lines"]] == [
        "done",
        "done the week before",
        "ended the week before",
    ]
    assert heads(both, ENDED) == ["Done", "Done the week before"]


def test_the_table_has_every_point_newest_first_and_a_dash_where_nothing_is_known() -> None:
    table = rows(BOTH, LINES, "hour")
    assert table.splitlines() == [
        '<tr><td><time datetime="2026-11-21T12:00:00.000Z" data-when="hour">2026-11-21 12:00 UTC</time></td>'
        "<td>–</td><td>–</td><td>2 s</td><td>4 s</td></tr>",
        '<tr><td><time datetime="2026-11-21T11:59:00.000Z" data-when="hour">2026-11-21 11:59 UTC</time></td>'
        "<td>1 s</td><td>1 min 1 s</td><td>2 s</td><td>3 s</td></tr>",
    ]
    assert heads(BOTH, LINES) == ["p50", "=p95", "p50 the day before", "=p95 the day before"]


def test_the_csv_has_every_point_oldest_first_and_no_cell_that_a_spreadsheet_would_run() -> None:
    text = as_csv(LINES, msgspec.to_builtins(BOTH))
    assert list(csv.reader(io.StringIO(text))) == [
        ["from", "p50 (s)", "'=p95 (s)", "p50 the day before (s)", "'=p95 the day before (s)"],
        ["2026-11-21T11:59:00.000Z", "1.0", "61.0", "2.0", "3.0"],
        ["2026-11-21T12:00:00.000Z", "", "", "2.0", "4.0"],
    ]
    assert as_csv(LINES, msgspec.to_builtins(NOW)).count("\r\n") == 3


@pytest.mark.parametrize(
    ("now", "before", "unit", "words"),
    [
        (88, 100, "", "12 % less"),
        (113, 100, "", "13 % more"),
        (100, 100, "", "the same"),
        (100.2, 100, "", "about the same"),
        (0, 0, "", "the same"),
        (3, 0, "", "none then"),
        (0, 3, "", "100 % less"),
        (50, 2, "", "25 times as much"),
        (98.6, 98.2, "%", "0.40 points more"),
        (97.0, 98.0, "%", "1.00 points less"),
        (97.0, 97.02, "%", "the same"),
        (3, None, "", ""),
        (None, 41, "s", "41 s then"),
    ],
)
def test_a_difference_is_said_in_words(now: float | None, before: float | None, unit: str, words: str) -> None:
    assert than(now, before, unit) == words


def test_figures_have_their_units() -> None:
    assert [said(1204.4, "count"), said(41, "s"), said(98.61, "%"), said(0.42, "ms"), said(0), said(None)] == [
        "1,204",
        "41 s",
        "98.6 %",
        "0.42 ms",
        "0",
        "–",
    ]


def test_where_nothing_is_known_of_the_past_that_is_said_once() -> None:
    assert compared(BOTH, LINES) == "compared with the day before"
    blank = replace(BOTH, before=data(Point("2026-11-20T11:59:00.000Z", 2.0)))
    assert compared(blank, LINES) == "nothing is known of the day before"


def span(range_: str | None, step_s: int, steps: int) -> Charted:
    return replace(data(*(Point("") for _ in range(steps))), range=range_, step_s=step_s)


def test_times_are_said_as_fits_how_long_the_chart_is() -> None:
    cases = [span("15m", 60, 15), span("24h", 900, 96), span("7d", 3600, 168), span("30d", 14_400, 180)]
    assert [(says(each), axis(each)) for each in cases] == [
        ("hour", "hour"),
        ("hour", "hour"),
        ("moment", "moment"),
        ("moment", "day"),
    ]
    assert (says(span(None, 10, 60)), says(span(None, 60, 60))) == ("stamp", "moment")
    assert lately(span("6h", 300, 72)) == "in the last 6 hours"
    assert lately(span(None, 60, 90)) == "in this span of 1 h 30 min"
