"""The pages of errors and their API."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from core.site import Site
from services import fingerprints
from services.errors_service import MOST_GROUPS
from tests import archive
from tests.archived import row, write
from tests.panels.boards import Parts
from tests.services.reports import create, tell
from tests.told import mirrors, stands

PAGE, API = "/dashboard/errors", "/api/v1/errors"
TRACE = 'Traceback (most recent call last):\n  File "/srv/app/mail.py", line 3, in send\n    raise Refused\nRefused: host 10.0.0.{} said no'


@pytest.fixture
def held(site: Site, client: FlaskClient) -> Site:
    """A site whose archive is empty and has its tables."""
    archive.database(site.settings).close()
    return site


def failed(number: int, type_: str = "Refused", *, ago_s: float = 60, **fields: Any) -> Any:
    error = fields.pop("error", TRACE.format(number))
    return row(
        number,
        error=error,
        error_type=type_,
        fingerprint=fingerprints.of(type_, error),
        finished_ms=int((time.time() - ago_s) * 1000),
        **fields,
    )


def fill(site: Site) -> None:
    write(
        site,
        *(failed(n, queue="mails", function="app.send", agent="rq", worker="w1") for n in range(1, 4)),
        failed(4, "ValueError", error="ValueError: no user '17'", agent="studio", ago_s=30),
        row(5, title="Well"),
    )


def types(html: str) -> list[str]:
    return re.findall(r'<a class="name"[^>]*><bdi[^>]*>(.*?)</bdi>', html)


def test_failures_alike_are_one_row_with_the_newest_message_and_what_varies_levelled_in_its_tooltip(
    held: Site, client: FlaskClient
) -> None:
    fill(held)
    html = client.get(PAGE).text
    assert types(html) == ["Refused", "ValueError"]
    assert "4 failures" in html
    assert (
        '<bdi class="cut" title="host 10.0.0.3 said no&#10;Alike: host &lt;number&gt; said no">host 10.0.0.3 said no<'
        in html
    )
    assert '<bdi class="cut" title="no user &#39;17&#39;">no user &#39;17&#39;<' in html
    assert f'href="{PAGE}?queue=mails"' in html
    assert types(client.get(f"{PAGE}?sort=newest").text) == ["ValueError", "Refused"]
    assert types(client.get(f"{PAGE}?queue=mails").text) == ["Refused"]
    assert types(client.get(f"{PAGE}?type=ValueError&range=1h").text) == ["ValueError"]
    assert "No such failure in this time." in client.get(f"{PAGE}?function=none").text
    assert 'aria-current="page">Errors' in html


def test_a_kind_has_a_page_with_its_traceback_its_jobs_and_ways_on(held: Site, client: FlaskClient) -> None:
    fill(held)
    fingerprint = client.get(API).json["groups"][0]["fingerprint"]
    html = client.get(f"{PAGE}/{fingerprint}").text
    assert "Refused: host 10.0.0.3 said no</pre>" in html
    assert '<bdi>host 10.0.0.3 said no</bdi><span class="alike">Alike: <bdi>host &lt;number&gt; said no</bdi>' in html
    assert [number in html for number in ("#1", "#2", "#3", "#4")] == [True, True, True, False]
    assert f"/dashboard/history?fingerprint={fingerprint}" in html
    assert "/dashboard/jobs?q=status%3Afailed+error%3ARefused" in html
    assert "3 failures, 3 at most" in html
    listed = client.get(f"/dashboard/history?fingerprint={fingerprint}")
    assert [f"#{n}<" in listed.text for n in (1, 2, 3, 4)] == [True, True, True, False]
    assert client.get(f"{PAGE}/{fingerprint}?range=15m").status_code == 200
    for unknown in ("0" * 16, "nonsense"):
        assert client.get(f"{PAGE}/{unknown}").status_code == 404
        assert client.get(f"{API}/{unknown}").status_code == 404


def test_all_of_a_kind_are_retried_after_a_look_at_what_would_be_done(held: Site, client: FlaskClient) -> None:
    for number in range(1, 4):
        mirrors(held, f"m{number}", s="failed", x="failed", et="Refused", e=TRACE.format(number))
    mirrors(held, "m3", t=2, s="queued", x="queued")  # somebody was faster
    write(held, *(failed(n, id=f"m{n}", agent="rq") for n in range(1, 5)), failed(5, id="old", ago_s=7200))
    fingerprint = fingerprints.of("Refused", TRACE.format(1))
    page = f"{PAGE}/{fingerprint}"
    assert "Retry " not in client.get(page).text, "no broker is followed that has them"
    stands(held)
    html = client.get(f"{page}?range=1h").text
    assert f'form="acting" formaction="{page}/retry?range=1h">Retry 4 jobs …</button>' in html
    preview = client.post(f"{page}/retry?range=1h", data={"back": f"{page}?range=1h"}).text
    told = Parts(preview).text
    assert "Error / Retry Retry: 2 of 3 jobs 3 chosen jobs." in told, "the store has no fourth"
    assert "1 job: It has not ended: it is queued." in told
    assert re.findall(r'name="job" value="([^"]*)"', preview) == ["3 queued 2", "2 failed 1", "1 failed 1"]
    again = client.get(f"{page}/retry?range=1h")
    assert (again.status_code, again.headers["Location"]) == (302, f"{page}?range=1h")
    assert client.post(f"{PAGE}/0123456789abcdef/retry").status_code == 404


def test_the_api_tells_the_same(held: Site, client: FlaskClient) -> None:
    fill(held)
    answer: Any = client.get(f"{API}?range=1h").json
    assert (answer["failures"], answer["kinds"], answer["step_seconds"]) == (4, 2, 60)
    first = answer["groups"][0]
    assert (first["error_type"], first["message"], first["failures"]) == ("Refused", "host <number> said no", 3)
    assert first["queues"] == [{"name": "mails", "failures": 3, "agent": "rq"}]
    assert first["functions"] == [{"name": "app.send", "failures": 3}]
    assert (first["example"]["queue_id"], first["example"]["message"]) == (3, "host 10.0.0.3 said no")
    assert (len(first["points"]), sum(first["points"])) == (60, 3)
    one = client.get(f"{API}/{first['fingerprint']}?range=1h").json
    assert one["failures"] == 3
    assert client.get(f"{API}?agent=studio").json["failures"] == 1
    for fault in ("range=2y", "sort=loud", "from=yesterday", "agent=a/b"):
        refused = client.get(f"{API}?{fault}")
        assert (refused.status_code, refused.json["field"]) == (422, fault.partition("=")[0])


def test_every_kind_is_on_one_of_the_pages_which_narrowing_begins_anew(held: Site, client: FlaskClient) -> None:
    many = MOST_GROUPS + 3
    write(held, *(failed(n, f"Error{n}", error=f"Error{n}: no", ago_s=n) for n in range(1, many + 1)))
    pages = [client.get(f"{PAGE}?sort=newest&page={page}").text for page in (1, 2)]
    assert [name for page in pages for name in types(page)] == [f"Error{n}" for n in range(1, many + 1)]
    assert f'rel="next" href="{PAGE}?sort=newest&amp;page=2">Older' in pages[0]
    assert f'rel="prev" href="{PAGE}?sort=newest">Back' in pages[1]
    assert f"{many} kinds, page 2 of 2" in pages[1]
    assert 'data-live="errors:sort=newest&amp;page=2"' in pages[1]
    assert f'href="{PAGE}?range=1h&amp;sort=newest"' in pages[1]
    answers = [client.get(f"{API}?sort=newest&page={page}").json for page in (1, 2, 3)]
    assert [len(answer["groups"]) for answer in answers] == [MOST_GROUPS, 3, 0]
    assert {(answer["kinds"], answer["failures"]) for answer in answers} == {(many, many)}
    assert answers[1]["page"] == 2
    assert "The list ends before this page." in client.get(f"{PAGE}?page=3").text
    for fault in ("0", "1001", "two"):
        assert client.get(f"{API}?page={fault}").status_code == 422


def test_a_span_between_two_moments_can_be_asked_for(held: Site, client: FlaskClient) -> None:
    write(held, failed(1, ago_s=3 * 86_400), failed(2))
    since, until = time.time() - 4 * 86_400, time.time() - 2 * 86_400
    assert client.get(f"{API}?from={since}&to={until}").json["failures"] == 1
    assert "1 failure<" in client.get(f"{PAGE}?from={since}&to={until}").text
    assert client.get(f"{API}?range=7d").json["failures"] == 2


def test_errors_are_shown_as_text(held: Site, client: FlaskClient) -> None:
    hostile = "<script>alert(1)</script>"
    write(held, failed(1, hostile, error=f"{hostile}: {hostile}", queue=hostile, function=hostile, agent='a"><b>'))
    fingerprint = client.get(API).json["groups"][0]["fingerprint"]
    for page in (PAGE, f"{PAGE}/{fingerprint}", f"{PAGE}?type=%3Cscript%3E"):
        html = client.get(page).text
        assert "<script>alert" not in html
        assert "<b>" not in html.replace("<b><bdi", "")


def test_a_site_that_archived_nothing_yet_says_what_will_come(client: FlaskClient) -> None:
    assert "No failure in this time." in client.get(PAGE).text
    assert client.get(API).json["groups"] == []


def test_while_the_archive_is_away_the_page_says_why_and_what_the_store_knows(held: Site, client: FlaskClient) -> None:
    tell(held, create(held, agent="studio", queue="mails"), status="failed", error="ValueError: no")
    held.settings.data.joinpath("archive.sqlite3").write_bytes(b"no database" * 1000)
    html = client.get(PAGE).text
    assert "Errors are unavailable</strong>, because" in html
    assert types(html) == ["ValueError"]
    answer = client.get(API)
    assert (answer.status_code, answer.json["title"]) == (503, "Archive unavailable")
    assert "unavailable</strong>, because" in client.get(f"{PAGE}/{'0' * 16}").text


def test_the_list_is_a_part_that_is_pushed_and_polled(held: Site, client: FlaskClient) -> None:
    html = client.get(f"{PAGE}?queue=mails&sort=newest").text
    assert 'data-live="errors:queue=mails&amp;sort=newest"' in html
    first = client.get(f"{PAGE}/rows?queue=mails&sort=newest")
    again = client.get(f"{PAGE}/rows?queue=mails&sort=newest", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
