"""Contracts: the page's one stream."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest

from tests.contracts.conftest import TOKENS
from tests.serving import Server
from tests.streams import Stream, opened

PATH = "/dashboard/stream"
TAG = re.compile(r' data-etag="([^"]*)"')


def partials(stream: Stream, part: str) -> list[str]:
    return [
        event.data
        for event in stream.events
        if event.data.startswith(f'<hx-partial data-part="{quote(part, safe="")}"')
    ]


def job(here: Server, **changes: Any) -> int:
    number = int(here.post("/api/v1/queue", json={"title": "streamed"}).json()["queue_id"])
    here.put(f"/api/v1/queue/{number}", json={"stage": "encode", "progress": 10, **changes})
    return number


def test_it_carries_parts_as_partials_that_morph_into_their_places(here: Server) -> None:
    number = job(here)
    parts = ["stats", f"job:{number}"]
    with opened(here.port, f"{PATH}?part=stats&part=job:{number}", here.token) as stream:
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["cache-control"] == "no-cache, no-transform"
        assert stream.headers["x-accel-buffering"] == "no"
        assert stream.events[0].name == "connected"
        stats, of_job = (stream.until(lambda s, part=part: partials(s, part))[0] for part in parts)
        assert 'hx-target="#panel-stats &gt; .body" hx-swap="innerMorph"' in stats
        assert 'hx-target="#region-job &gt; .part" hx-swap="innerMorph"' in of_job
        here.put(f"/api/v1/queue/{number}", json={"progress": 61})
        assert "61 %" in stream.until(lambda s: partials(s, parts[1])[1:])[0]
        assert stream.until(lambda s: s.named("pulse"))[0].json()["sent_ms"] > 0


def test_what_it_brings_is_what_a_poll_answers_under_the_same_tag(here: Server) -> None:
    number = job(here)
    parts = {f"job:{number}": f"/dashboard/jobs/{number}/state", "job-list": "/dashboard/jobs/rows"}
    with opened(here.port, f"{PATH}?{'&'.join(f'part={part}' for part in parts)}", here.token) as stream:
        for part, path in parts.items():

            def same(s: Stream, part: str = part, path: str = path) -> bool:
                poll = here.get(path)  # what it says of a job at work may be another thing a second later
                sent = ((p, TAG.search(p)[1].replace("&#34;", '"')) for p in partials(s, part))  # type: ignore[index]
                return any(tag == poll.headers["ETag"] and poll.text.strip() in partial for partial, tag in sent)

            stream.until(same)


def test_what_a_page_shows_already_is_not_sent_to_it(here: Server) -> None:
    number = job(here, status="completed")
    with opened(here.port, f"{PATH}?part=job:{number}", here.token) as first:
        tag = TAG.search(first.until(lambda s: partials(s, f"job:{number}"))[0])[1].replace("&#34;", '"')  # type: ignore[index]
        again = f"{PATH}?part=job:{number}&tag={quote(tag)}&part=uploads&tag="
        with opened(here.port, again, here.token) as second:
            second.until(lambda s: partials(s, "uploads"))
            assert partials(second, f"job:{number}") == []


def test_a_list_that_grows_says_when_it_is_heard_and_then_brings_its_rows(here: Server) -> None:
    with opened(here.port, f"{PATH}?part=feed:logs&tag=", here.token) as stream:
        assert stream.until(lambda s: s.named("feed"))[0].json() == {"feed": "logs"}
        assert stream.until(lambda s: s.named("pulse")), "a page of such lists alone hears that its stream lives"
        newest = here.get("/dashboard/feeds/logs").json()["after"]
        here.post("/api/v1/logs", json=[{"message": "one"}, {"message": "two"}])
        came = stream.until(lambda s: s.named("rows"))[0].json()
        assert (came["feed"], len(came["rows"]), came["skipped"]) == ("logs", 2, 0)
        assert f'data-id="{came["after"]}"' in came["rows"][1]
        assert here.get(f"/dashboard/feeds/logs?after={newest}").json() == {
            "feed": "logs", "rows": came["rows"], "skipped": 0, "after": came["after"],
        }  # fmt: skip


def test_a_failure_is_told_to_every_page(here: Server) -> None:
    with opened(here.port, f"{PATH}?part=stats", here.token) as stream:
        stream.until(lambda s: s.named("pulse"))
        number = job(here, status="failed", error="disk full")
        (note,) = stream.until(lambda s: s.named("failed"))[0].json()
        assert note == {
            "agent": "default", "count": 1, "queue_id": number, "title": "streamed", "stage": "encode", "error": "disk full",
        }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("", 422, "one to 64 parts"),
        ("?" + "&".join(f"part=job:{number}" for number in range(1, 66)), 422, "one to 64 parts"),
        ("?part=nothing", 404, "nothing"),
        ("?part=job", 422, "number"),
        ("?part=job:seventeen", 422, "number"),
        ("?part=job:" + "1" * 600, 404, "part:"),
        ("?part=uploads:3", 422, "nothing behind a colon"),
        ("?part=job-list:status%3Dlost", 400, "status"),
        ("?part=stats&part=jobs&tag=x", 422, "tag"),
    ],
)
def test_a_part_that_is_none_is_refused_and_named(here: Server, query: str, status: int, says: str) -> None:
    answer = here.get(PATH + query)
    assert answer.status == status
    assert says in answer.text


def test_it_is_for_those_who_may_read(here: Server) -> None:
    path = f"{PATH}?part=stats"
    for name, status in (("read", 200), ("admin", 200), ("ingest", 403), ("metrics", 403), ("wrong", 401)):
        with opened(here.port, path, TOKENS[name], wait=False) as stream:
            stream.until(lambda s: s.status)
            assert stream.status == status
