"""Search: newest first, by source, level, text and time, a page at a time and within its time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.site import Site
from services import log_file, log_search, logs_service
from services.log_model import LineId
from services.logs_service import LogQuery
from tests.services.log_lines import NOW_MS, found, line, of_job, store


@pytest.fixture
def mixed(site: Site) -> Site:
    """Lines of three sources and all levels, a chunk each call."""
    levels = ("debug", "info", "warning", "error", "critical")
    for turn in range(10):
        for source in ("web", "worker", "cron"):
            store(
                site, *(line(f"{source} {turn}.{n}", levels[n], source, at_ms=NOW_MS + turn * 1000) for n in range(5))
            )
    return site


def expected(holds: Callable[[str, int, int], bool]) -> list[str]:
    every = [(source, turn, n) for turn in range(10) for source in ("web", "worker", "cron") for n in range(5)]
    return [f"{source} {turn}.{n}" for source, turn, n in reversed(every) if holds(source, turn, n)]


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ({}, lambda source, turn, n: True),
        ({"source": "worker"}, lambda source, turn, n: source == "worker"),
        ({"level": "error"}, lambda source, turn, n: n >= 3),
        ({"source": "cron", "level": "critical"}, lambda source, turn, n: source == "cron" and n == 4),
        ({"q": "WEB 3"}, lambda source, turn, n: source == "web" and turn == 3),
        ({"source": "web", "q": ".2"}, lambda source, turn, n: source == "web" and n == 2),
        ({"since": NOW_MS / 1000 + 4, "until": NOW_MS / 1000 + 6}, lambda source, turn, n: turn in (4, 5)),
        ({"source": "web", "since": NOW_MS / 1000 + 8}, lambda source, turn, n: source == "web" and turn >= 8),
        ({"source": "nobody"}, lambda source, turn, n: False),
        ({"q": "nothing like it"}, lambda source, turn, n: False),
    ],
)  # fmt: skip
def test_a_search_finds_what_is_meant_on_any_number_of_pages(
    mixed: Site, query: dict[str, object], holds: Callable[[str, int, int], bool], limit: int
) -> None:
    assert found(mixed, limit=limit, **query) == expected(holds)


def test_text_is_found_in_any_case_and_across_colours(site: Site) -> None:
    store(site, line("Straße \x1b[31mFAIL\x1b[0mED"), line("a|b"), line("plain"))
    assert found(site, q="STRASSE failed") == ["Straße \x1b[31mFAIL\x1b[0mED"]
    assert found(site, q="|") == ["a|b"] and found(site, q=".*") == []
    assert found(site, q="b\0p") == [], "one line ends where the next begins"


def test_what_comes_after_a_line_is_found_without_that_line(mixed: Site) -> None:
    lines = logs_service.search(mixed, LogQuery(limit=20)).lines
    assert found(mixed, after=lines[7].id) == [one.message for one in lines[:7]]
    assert found(mixed, after=lines[0].id) == []
    assert found(mixed, source="cron", after=lines[7].id) == [one.message for one in lines[:7] if one.source == "cron"]
    assert found(mixed, before=lines[3].id, after=lines[7].id) == [one.message for one in lines[4:7]]


def test_a_cursor_stays_where_it_was_when_new_lines_come(mixed: Site) -> None:
    first = logs_service.search(mixed, LogQuery(limit=10))
    store(mixed, line("new"))
    second = logs_service.search(mixed, LogQuery(limit=10, before=first.next_cursor))
    assert [one.message for one in (*first.lines, *second.lines)] == expected(lambda *_: True)[:20]


def test_lines_that_came_late_are_found_by_their_own_time(site: Site) -> None:
    store(site, line("on time", at_ms=NOW_MS))
    store(site, line("late", at_ms=NOW_MS - 3_600_000))
    assert found(site, until=NOW_MS / 1000 - 1800) == ["late"]
    assert found(site, since=NOW_MS / 1000 - 1800) == ["on time"]


def test_where_the_time_of_a_search_is_over_it_says_how_far_back_it_looked_and_goes_on(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(site, line("needle"))
    for _ in range(100):
        store(site, *(line(f"hay {n}") for n in range(5)))
    monkeypatch.setattr(log_search, "BUDGET_S", -1)
    page = logs_service.search(site, LogQuery(q="needle"))
    assert (page.lines, page.complete) == ((), False)
    assert page.next_cursor is not None and page.looked_back_to == page.next_cursor.ms / 1000
    assert found(site, q="needle") == found(site, q="needle", source="web") == ["needle"]
    assert len(found(site, q="hay")) == 500


def test_a_page_of_long_lines_ends_early(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_search, "MOST_CHARACTERS", 50_000)
    store(site, *(line(f"{n}" + "x" * 15_000) for n in range(20)))
    page = logs_service.search(site, LogQuery())
    assert len(page.lines) == 4 and page.next_cursor == page.lines[-1].id
    assert len(found(site)) == 20


def test_a_jobs_own_lines_are_searched_like_all(site: Site) -> None:
    store(site, of_job("one"), line("not of it"), of_job("two"), of_job("three"), of_job("of another", id="b"))
    mine = ("studio", "a")
    assert found(site, job=mine) == found(site, job=mine, limit=1) == ["three", "two", "one"]
    assert found(site, job=mine, q="T") == ["three", "two"]
    assert found(site, job=mine, level="error") == found(site, job=mine, source="cron") == []
    last = logs_service.search(site, LogQuery(job=mine)).lines[0]
    assert found(site, job=mine, before=last.id) == ["two", "one"]
    assert logs_service.search(site, LogQuery(before=last.id, limit=1)).lines[0].message == "two"


def test_ids_from_nowhere_find_what_lies_there(mixed: Site) -> None:
    assert found(mixed, before=LineId(1, 0, 0)) == []
    assert len(found(mixed, before=LineId(9**15, 3, 3))) == 150
    assert found(mixed, after=LineId(9**15, 3, 3)) == []


def test_a_file_of_lines_is_oldest_first_and_no_message_begins_a_line_of_its_own(site: Site) -> None:
    store(site, line("first"), of_job("two\nlines \x1b[31mred"), line("bad", "error", "app/web.1"))
    assert log_file.text(site, LogQuery(limit=10)) == (
        "2023-11-14T22:13:20.000Z INFO     web: first\n"
        "2023-11-14T22:13:20.000Z INFO     web [job a]: two\n    lines red\n"
        "2023-11-14T22:13:20.000Z ERROR    app/web.1: bad\n"
    )
    assert log_file.text(site, LogQuery(limit=1)).startswith("# Older lines are not in this file.")
