"""The pages of log lines as they are read without a script, and what open ones ask for."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

import pytest
from flask.testing import FlaskClient

from core.site import Site
from routes import job_logs, log_view
from services import jobs_service
from services.job_changes import JobRef
from services.job_rules import NewJob, Update
from services.log_model import JobLink
from tests.panels.boards import HOSTILE, Parts
from tests.services.log_lines import line, store

FEED = "/dashboard/feeds/logs"


def shown(page: str) -> list[str]:
    """The messages of a page's rows, in their order."""
    return re.findall(r"<bdi data-text>(.*?)</bdi>", page, re.DOTALL)


def after(page: str) -> str:
    (found,) = re.findall(r'data-after="([^"]*)"', page)
    return str(found)


def missed(client: FlaskClient, query: str) -> dict[str, Any]:
    return dict(client.get(f"{FEED}?{query}").get_json())


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_view, "LIMIT", 3)
    monkeypatch.setattr(log_view, "MOST_MISSED", 3)


def test_the_newest_lines_stand_last(client: FlaskClient, site: Site) -> None:
    store(site, line("first"), line("second"))
    store(site, line("third", source="db"))
    page = client.get("/dashboard/logs").text
    assert shown(page) == ["first", "second", "third"]
    assert "No older lines" in page


@pytest.mark.parametrize(
    ("query", "messages"),
    [
        ("level=warning", ["warns", "fails"]),
        ("source=db", ["of db"]),
        ("q=WARN", ["warns"]),
        ("level=error&source=web&q=fail", ["fails"]),
        ("since=2023-11-14T22:13&until=2023-11-14T22:14", ["warns", "fails", "of db"]),
        ("since=2023-11-14T23:13&until=2023-11-14T23:14&zone=Europe/Berlin", ["warns", "fails", "of db"]),
        ("since=2023-11-14T22:14", []),
        ("range=1h", []),
    ],
)
def test_the_form_narrows_by_level_source_text_and_time(
    client: FlaskClient, site: Site, query: str, messages: list[str]
) -> None:
    store(site, line("warns", "warning"), line("fails", "error"), line("of db", source="db"))
    assert shown(client.get(f"/dashboard/logs?{query}").text) == messages


def test_the_form_keeps_what_was_chosen(client: FlaskClient, site: Site) -> None:
    store(site, line("fails", "error", source="db"))
    page = client.get("/dashboard/logs?level=error&source=db&q=fail&range=7d").text
    for said in ('value="error" selected', 'name="source" value="db"', 'name="q" value="fail"', 'value="7d" selected'):
        assert said in page
    assert '<option value="db">' in page, "the sources to choose from"
    assert re.search(r'href="/api/v1/logs\?format=text&amp;level=error&amp;source=db&amp;q=fail&amp;since=', page)


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("level=loud", "level should be one of debug, info"),
        ("range=2y", "range should be one of 15m"),
        ("before=12", "before should be the id of a line"),
        ("since=yesterday", "since should be a time"),
        ("until=2026-13-01T10:00", "until should be a time"),
        ("since=2026-01-01T10:00&zone=Mars/Olympus", "zone should be the name of a time zone"),
        ("since=2026-01-01T10:00&zone=../../etc/passwd", "zone should be the name of a time zone"),
        ("since=0001-01-01T00:00&zone=Asia/Tokyo", "since should be a time"),
    ],
)
def test_what_no_filter_can_be_is_answered_with_what_to_change(client: FlaskClient, query: str, fault: str) -> None:
    answer = client.get(f"/dashboard/logs?{query}", headers={"Accept": "text/html"})
    assert (answer.status_code, fault in answer.text) == (422, True)


@pytest.mark.usefixtures("small_pages")
def test_older_lines_are_pages_of_their_own_without_gap_or_repetition(client: FlaskClient, site: Site) -> None:
    store(site, *(line(str(n)) for n in range(8)))
    address, pages = "/dashboard/logs", list[list[str]]()
    while address:
        page = client.get(address).text
        pages.append(shown(page))
        link = re.search(r'rel="next" href="([^"]+)"', page)
        address = link[1].replace("&amp;", "&") if link else ""
        assert ("data-live" in page) == (len(pages) == 1), "older pages do not grow"
    assert pages == [["5", "6", "7"], ["2", "3", "4"], ["0", "1"]]
    assert ">Newest lines</a>" in page


def test_a_search_that_ran_out_of_time_says_how_far_it_looked(
    client: FlaskClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.log_search.BUDGET_S", -1.0)
    store(site, line("rare"))
    for _ in range(1000):
        store(site, line("usual"))
    page = client.get("/dashboard/logs?q=rare").text
    assert "Look further back</a>: so far looked back to" in page


def test_without_lines_the_page_teaches_how_to_send_one_and_without_a_fit_says_so(
    client: FlaskClient, site: Site
) -> None:
    empty = client.get("/dashboard/logs").text
    assert "No log lines yet" in empty
    assert "/api/v1/logs -H &#34;Authorization" in empty
    store(site, line())
    page = client.get("/dashboard/logs?q=nowhere").text
    assert "No line fits" in page
    assert "No log lines yet" not in page


def test_hostile_lines_run_nothing(client: FlaskClient, site: Site) -> None:
    store(site, line(HOSTILE, source=HOSTILE[:60]))
    parts = Parts(client.get("/dashboard/logs/view").text)
    assert {"img", "svg", "iframe"}.isdisjoint(parts.tags)
    assert not any(name.startswith("on") or name == "style" for name, _ in parts.attributes)


def test_the_lines_alone_are_answered_to_a_page_whose_filter_changed(client: FlaskClient, site: Site) -> None:
    store(site, line("one"), line("two", "error"))
    part = client.get("/dashboard/logs/view?level=error&compact=yes").text
    assert part.startswith('<div class="view"')
    assert shown(part) == ["two"]
    assert f'data-feed="{FEED}?level=error"' in part


def test_what_came_since_a_line_is_told_once_and_in_order(client: FlaskClient, site: Site) -> None:
    store(site, line("seen"))
    last = after(client.get("/dashboard/logs").text)
    store(site, line("a"), line("b"))
    store(site, line("c", source="db"))
    came = missed(client, f"after={last}")
    assert [shown(row) for row in came["rows"]] == [["a"], ["b"], ["c"]]
    assert came["skipped"] == 0
    again = missed(client, f"after={came['after']}")
    assert (again["rows"], again["after"]) == ([], came["after"])


def test_a_narrowed_list_is_told_what_fits_and_goes_on_behind_the_newest_line_of_all(
    client: FlaskClient, site: Site
) -> None:
    store(site, line("seen", "error"))
    last = after(client.get("/dashboard/logs?level=error").text)
    store(site, line("quiet"), line("loud", "error"), line("quiet again"))
    came = missed(client, f"level=error&after={last}")
    assert [shown(row) for row in came["rows"]] == [["loud"]]
    assert came["after"] == after(client.get("/dashboard/logs").text)


@pytest.mark.usefixtures("small_pages")
def test_who_missed_many_is_told_the_newest_and_that_there_were_more(client: FlaskClient, site: Site) -> None:
    store(site, line("seen"))
    last = after(client.get("/dashboard/logs").text)
    store(site, *(line(str(n)) for n in range(9)))
    came = missed(client, f"after={last}")
    assert ([shown(row) for row in came["rows"]], came["skipped"]) == ([["6"], ["7"], ["8"]], None)


def test_a_page_that_had_no_line_is_told_all(client: FlaskClient, site: Site) -> None:
    assert after(client.get("/dashboard/logs").text) == ""
    assert missed(client, "after=") == {"feed": "logs", "rows": [], "skipped": 0, "after": ""}
    store(site, line("the first"))
    assert [shown(row) for row in missed(client, "after=")["rows"]] == [["the first"]]


@pytest.mark.parametrize("id", ["x", "1-2", "-1-0-0", "9" * 40 + "-0-0"])
def test_what_is_no_id_of_a_line_is_refused(client: FlaskClient, id: str) -> None:
    assert client.get(f"{FEED}?after={id}").status_code == 422


def test_there_is_no_other_feed(client: FlaskClient) -> None:
    assert client.get("/dashboard/feeds/secrets").status_code == 404
    assert client.get("/dashboard/stream?part=feed:secrets").status_code == 404


def make(site: Site, *updates: dict[str, Any]) -> int:
    job = jobs_service.create(site, NewJob(title="a job", agent="studio", id="a")).job
    assert job is not None
    for update in updates:
        jobs_service.update(site, JobRef(number=job.number), Update(**update))
    return job.number


def test_a_jobs_page_shows_its_own_lines(client: FlaskClient, site: Site) -> None:
    number = make(site, {"stage": "render"})
    link = JobLink(number, "studio", "a")
    store(site, line("of it", job=link), line("of none"), line("of another", job=JobLink("b", "studio", "b")))
    page = client.get(f"/dashboard/jobs/{number}").text
    assert shown(page) == ["of it"]
    assert 'data-live="job-logs:1"' in page
    assert shown(client.get(f"/dashboard/jobs/{number}/logs").text) == ["of it"]


def test_of_many_lines_of_a_job_the_last_are_shown(
    client: FlaskClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_logs, "SHOWN", 2)
    number = make(site, {"stage": "render"})
    store(site, *(line(str(n), job=JobLink(number, "studio", "a")) for n in range(5)))
    page = client.get(f"/dashboard/jobs/{number}").text
    assert shown(page) == ["3", "4"]
    assert "the last 2 lines" in page


def test_a_job_without_lines_says_how_to_send_them_until_it_is_over(client: FlaskClient, site: Site) -> None:
    number = make(site, {"stage": "render"})
    page = client.get(f"/dashboard/jobs/{number}").text
    assert f'<code>"job": {number}</code>' in page
    jobs_service.update(site, JobRef(number=number), Update(status="completed"))
    page = client.get(f"/dashboard/jobs/{number}").text
    assert "title-job-logs" not in page
    assert "data-live" not in page


def test_lines_of_a_job_are_asked_for_until_a_minute_after_its_end(client: FlaskClient, site: Site) -> None:
    number = make(site, {"stage": "render"}, {"status": "completed"})
    store(site, line("late", job=JobLink(number, "studio", "a")))
    assert "Headway-Resting" not in client.get(f"/dashboard/jobs/{number}/logs").headers
    now = site.clock() + job_logs.LATE_S + 1
    object.__setattr__(site, "clock", lambda: now)
    assert client.get(f"/dashboard/jobs/{number}/logs").headers["Headway-Resting"] == "yes"


def test_the_filter_of_a_link_is_the_one_of_the_page(client: FlaskClient, site: Site) -> None:
    store(site, line())
    chosen = "level=info&source=web&q=a%26b&range=7d"
    page = client.get(f"/dashboard/logs?{chosen}").text
    (looked,) = re.findall(r'data-looked="/dashboard/logs\?([^"]+)"', page)
    assert sorted(parse_qsl(looked.replace("&amp;", "&"))) == sorted(parse_qsl(chosen))
