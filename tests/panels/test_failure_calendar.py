from __future__ import annotations

import re
from datetime import date, timedelta
from itertools import pairwise

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from panels import _calendar
from panels.failure_calendar import FailureCalendar
from services import jobs_service
from services.failure_days import FailureDay
from services.job_changes import JobRef
from services.job_rules import NewJob, Update
from tests.panels.boards import Parts, at_noon, show, words

FIRST = date(2026, 8, 24)
"""A Monday."""


def days(*failed: int | None, first: date = FIRST) -> tuple[FailureDay, ...]:
    """Days of 10 jobs, so many of which failed; None where none ended."""
    return tuple(
        FailureDay(
            f"{first + timedelta(days=at)}", each or 0, 0 if each is None else 10, None if each is None else each * 10.0
        )
        for at, each in enumerate(failed)
    )


def calendar(*some: FailureDay) -> FailureCalendar:
    failed, ended = sum(day.failed for day in some), sum(day.ended for day in some)
    worst = max(some, key=lambda day: day.failed)
    return FailureCalendar(
        failed, ended, 100 * failed / ended if ended else None, 1, worst if worst.failed else None, some
    )


def test_it_is_on_the_page_of_charts_and_says_that_no_job_ended(client: FlaskClient) -> None:
    page = client.get("/dashboard/charts").text
    assert 'id="panel-failure-calendar"' in page
    words = Parts(page).text
    assert "Failures by day 90 days, of UTC" in words
    assert "Failed no job ended" in words
    assert "No job ended on any of these days." in words


def test_days_without_jobs_without_failures_and_with_them_look_and_read_apart(app: Flask, site: Site) -> None:
    shown = show(app, at_noon(site), "failure-calendar", lambda _: calendar(*days(None, 0, 1, 9)))
    html = shown.html.decode()
    assert re.findall(r'<rect class="([^"]+)".*?<title>([^<]+)</title>', html) == [
        ("none", "Monday, 24 Aug 2026: no job ended"),
        ("well", "Tuesday, 25 Aug 2026: none of 10 failed"),
        ("bad-2", "Wednesday, 26 Aug 2026: 1 of 10 failed, 10 %"),
        ("bad-4 today", "Thursday, 27 Aug 2026: 9 of 10 failed, 90 %"),
    ]
    assert "Worst day 2026-08-27 , 9 of 10" in words(shown)


def test_a_day_with_failures_leads_to_them(app: Flask, site: Site) -> None:
    html = show(app, at_noon(site), "failure-calendar", lambda _: calendar(*days(0, 3))).html.decode()
    address = "/dashboard/history?status=failed&amp;from=2026-08-25T00:00:00Z&amp;to=2026-08-26T00:00:00Z"
    links = re.findall(r'<a [^>]*href="([^"]+)"( tabindex="-1")?', html)
    history = [(href, bool(away)) for href, away in links if "history" in href]
    assert history == [(address, True), (address, False), (address, False)], "by mouse, and by keyboard"


@pytest.mark.parametrize("weekday", range(7))
def test_weeks_are_columns_that_begin_on_monday(weekday: int) -> None:
    cells = list(_calendar.cells(days(*[0] * 90, first=FIRST + timedelta(days=weekday))))
    assert (cells[0].x, cells[0].y) == (0, weekday)
    for cell in cells:
        assert cell.y == date.fromisoformat(cell.day.date).weekday()
    assert sorted({cell.x for cell in cells}) == list(range(cells[-1].x + 1))
    assert len({(cell.x, cell.y) for cell in cells}) == 90


@pytest.mark.parametrize("first", [FIRST, date(2026, 11, 1), date(2026, 12, 28), date(2028, 2, 27)])
def test_months_are_named_in_order_and_never_on_one_another(first: date) -> None:
    months = _calendar.months(days(*[0] * 90, first=first))
    assert len(months) in (3, 4)
    assert all(after.x - before.x >= 3 for before, after in pairwise(months))


def test_a_real_failure_is_on_its_day(client: FlaskClient, site: Site) -> None:
    for status in ("failed", "completed"):
        job = jobs_service.create(site, NewJob()).job
        assert job is not None
        jobs_service.update(site, JobRef(number=job.number), Update(status=status))  # type: ignore[arg-type]
    figures = client.get("/dashboard/api/failure-calendar").json
    assert (figures["failed"], figures["ended"], figures["rate"], len(figures["days"])) == (1, 2, 50.0, 90)
    assert figures["worst"]["failed"] == 1
