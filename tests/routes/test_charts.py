"""The page of charts: what its address says, what its links lead to, and its figures as files."""

from __future__ import annotations

import csv
import html
import io
import re
import time
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from core.times import rfc3339
from panels import PANELS, Board, View
from services import jobs_service
from services.job_rules import NewJob
from services.windows import RANGES

PAGE = "/dashboard/charts"
API = "/dashboard/api/processing-time"
CHARTS = [panel for panel in PANELS.values() if panel.stands_on("charts")]
LINED = [panel.name for panel in CHARTS if panel.lines]


@pytest.fixture
def past(site: Site) -> str:
    """An hour of yesterday, as an address says it."""
    since = int(site.clock() // 3600 - 30) * 3600
    return f"from={rfc3339(since).replace('.000Z', 'Z')}&to={since + 3600}"


def links(page: str) -> dict[str, str]:
    """Where the links of the page's head lead, by their words."""
    head = page[page.index('class="title"') : page.index('class="panel')]
    found = re.findall(r'<a[^>]* href="([^"]+)"[^>]*>([^<]+)</a>', head)
    return {words: html.unescape(href) for href, words in found}


def asked(href: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(href).query).items()}


def polled(page: str) -> dict[str, str]:
    found = re.findall(r'id="panel-([a-z-]+)"[^>]*?hx-get="([^"]+)"', page)
    return {name: html.unescape(address) for name, address in found}


def test_every_chart_stands_on_it_and_is_polled_at_the_range(client: FlaskClient) -> None:
    page = client.get(f"{PAGE}?range=6h").text
    addresses = polled(page)
    assert set(addresses) == {panel.name for panel in CHARTS}
    assert {name for name, address in addresses.items() if "range=6h" in address} == {
        panel.name for panel in CHARTS if panel.windowed
    }
    assert 'hx-trigger="every 10s, catchup"' in page


def test_its_links_keep_what_else_was_chosen(client: FlaskClient) -> None:
    found = links(client.get(f"{PAGE}?range=24h&compare=day&agent=studio").text)
    assert asked(found["7d"]) == {"range": "7d", "compare": "day", "agent": "studio"}
    assert asked(found["Week before"]) == {"range": "24h", "compare": "week", "agent": "studio"}
    assert asked(found["Nothing"]) == {"range": "24h", "agent": "studio"}
    assert asked(found["All agents"]) == {"range": "24h", "compare": "day"}
    assert [name for name in found if name in RANGES] == list(RANGES)


def test_a_range_leads_to_the_same_span_before_it_and_that_one_back(client: FlaskClient) -> None:
    earlier = links(client.get(f"{PAGE}?range=6h").text)["← Earlier"]
    page = client.get(earlier)
    found = links(page.text)
    assert page.status_code == 200
    assert asked(found["Back to 6h"]) == {"range": "6h"}
    assert {"← Earlier", "Later →"} <= set(found)
    before, after = asked(found["← Earlier"]), asked(earlier)
    assert before["to"] == after["from"]
    assert asked(found["Later →"])["from"] == after["to"]
    assert client.get(found["← Earlier"]).status_code == 200


def test_a_span_that_is_over_is_whole_and_asks_for_nothing_more(client: FlaskClient, past: str) -> None:
    page = client.get(f"{PAGE}?{past}").text
    assert page.count('data-chart="') >= len(LINED)
    assert {name for name in polled(page) if PANELS[name].windowed} == set()
    answer = client.get(f"{API}-html?{past}")
    assert answer.headers["Headway-Resting"] == "yes"
    again = client.get(f"{API}-html?{past}", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert client.get(API).headers.get("Headway-Resting") is None


def test_a_span_of_which_only_longer_steps_are_kept_says_so(client: FlaskClient, past: str) -> None:
    assert "of which figures are kept by ten minutes" in client.get(f"{PAGE}?{past}").text
    assert "figures are kept" not in client.get(f"{PAGE}?from={time.time() - 600:.0f}").text


def test_a_span_is_told_with_its_steps_in_whichever_way_its_moments_are_written(client: FlaskClient, past: str) -> None:
    told = client.get(f"{API}?{past}").json
    assert (told["range"], told["step_s"], len(told["points"])) == (None, 30, 120)
    since = asked(f"?{past}")["from"]
    shifted = since.replace("Z", "-00:00").replace("+", "%2B")
    assert client.get(f"{API}?from={shifted}&to={told['ends_at']}").json["points"] == told["points"]


def test_a_span_up_to_now_may_leave_out_its_end(client: FlaskClient) -> None:
    told = client.get(f"{API}?from={time.time() - 600}").json
    assert told["step_s"] == 10
    assert 60 <= len(told["points"]) <= 62
    page = client.get(f"{PAGE}?from={time.time() - 600:.0f}").text
    assert "data-polled" in page


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ("range=2h", "range", "15m, 1h, 6h, 24h, 7d, 30d"),
        ("from=yesterday", "from", "2026-11-21T10:00:00Z, or seconds since the epoch"),
        ("from=2026-11-21T10:00:00", "from", "a time with its zone"),
        ("from=nan", "from", "a time with its zone"),
        ("from=1e9", "from", "a time with its zone"),
        ("to=1700000000", "from", "should be there where to is"),
        ("from=1700000000&to=1600000000", "from", "should be before to"),
        ("from=99999999999", "from", "should not be in the future"),
        ("from=1", "from", "should be within the last 90 days"),
        ("from=" + "9" * 400, "from", "a time with its zone"),
        ("compare=year", "compare", "should be one of day, week"),
        ("agent=a%2Fb", "agent", "no slash"),
        ("agent=" + "a" * 129, "agent", "1 to 128 characters"),
        ("agent=a%00b", "agent", "no control character"),
    ],
)
def test_a_bad_value_is_refused_in_words(client: FlaskClient, query: str, field: str, words: str) -> None:
    for path in (PAGE, API, f"{API}-html", f"{API}.csv"):
        answer = client.get(f"{path}?{query}", headers={"Accept": "application/json"})
        assert (answer.status_code, answer.json["field"]) == (422, field), path
        assert words in answer.json["detail"]


def test_an_agent_s_name_is_text_wherever_it_stands(client: FlaskClient, site: Site) -> None:
    hostile = '"><img src=x onerror=alert(1)>'
    page = client.get(PAGE, query_string={"agent": hostile}).text
    assert "<img" not in page
    jobs_service.create(site, NewJob(agent="studio"))
    assert '<option value="studio">' in client.get(PAGE).text


def test_each_chart_is_to_be_had_as_csv_with_its_points_and_units(client: FlaskClient) -> None:
    for name in LINED:
        answer = client.get(f"/dashboard/api/{name}.csv?range=24h&compare=week")
        rows = list(csv.reader(io.StringIO(answer.text)))
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}-24h-with-week-before.csv"'
        assert (rows[0][0], len(rows) - 1) == ("from", RANGES["24h"].steps)
        assert {len(row) for row in rows} == {len(rows[0])}
        half = len(rows[0]) // 2
        present, past = rows[0][1 : 1 + half], rows[0][1 + half :]
        assert [head.replace("the week before", "").replace("  ", " ").strip() for head in past] == present
        told = client.get(f"/dashboard/api/{name}?range=24h&compare=week").json
        assert [row[0] for row in rows[1:]] == [point["at"] for point in told["points"]]


def test_a_chart_that_can_t_be_read_says_why_instead_of_a_file(app: Flask, site: Site, client: FlaskClient) -> None:
    def data(_: Site, view: View) -> None:
        raise redis.ConnectionError("secret-host")

    name = "success-rate"
    app.extensions["headway.board"] = Board(site, app.jinja_env, {name: replace(PANELS[name], data=data)})
    answer = client.get(f"/dashboard/api/{name}.csv?range=7d", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json["panel"]) == (503, name)
    assert "secret-host" not in answer.text
