"""Contracts: the streams of dialect Q, tickets, and what holds for every stream."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.contracts.conftest import FRONTEND, TOKENS
from tests.serving import Server
from tests.streams import Stream, opened

QUEUE = "/api/v1/queue"
STREAM = "/api/v1/progress/stream"
SHAPE = {"queue_id", "status", "current_step", "progress", "message"}


def created(site: Server, **fields: Any) -> int:
    answer = site.post(QUEUE, json=fields)
    assert answer.status == 201, answer.text
    return int(answer.json()["queue_id"])


def report(site: Server, number: int, **fields: Any) -> None:
    answer = site.put(f"{QUEUE}/{number}", json=fields)
    assert answer.status == 200, answer.text


def of(stream: Stream, number: int) -> list[Any]:
    return [message for message in stream.messages if message["queue_id"] == number]


def test_a_stream_greets_with_a_named_event_and_headers_that_no_proxy_may_spoil(here: Server) -> None:
    with opened(here.port, STREAM, TOKENS["read"]) as stream:
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["cache-control"] == "no-cache, no-transform"
        assert stream.headers["x-accel-buffering"] == "no"
        assert "content-length" not in stream.headers
        first = stream.events[0]
        assert first.name == "connected" and first.retry
        assert first.json().keys() == {"client_id", "transport", "server_time"}


def test_every_change_is_one_unnamed_event_of_a_fixed_shape(here: Server) -> None:
    with opened(here.port, STREAM, here.token) as stream:
        number = created(here, title="a.mp4", message="hello")
        report(here, number, current_step="encode", progress=12.5, message="frame 3")
        report(here, number, current_step="upload")
        report(here, number, status="completed")
        stream.until_message(queue_id=number, status="completed")
    assert of(stream, number) == [
        {"queue_id": number, "status": "queued", "progress": 0, "message": "hello"},
        {
            "queue_id": number,
            "status": "processing",
            "current_step": "encode",
            "progress": 12.5,
            "message": "frame 3",
        },
        {"queue_id": number, "status": "processing", "current_step": "upload", "progress": 12.5},
        {"queue_id": number, "status": "completed", "current_step": "upload", "progress": 100},
    ]
    assert all(event.id for event in stream.events if event.name == "message")


def test_a_failure_shows_its_error_and_keeps_its_progress(here: Server) -> None:
    with opened(here.port, STREAM, here.token) as stream:
        number = created(here)
        report(here, number, progress=40, current_step="encode")
        report(here, number, status="failed", error="disk full")
        told = stream.until_message(queue_id=number, status="failed")
    assert told == {
        "queue_id": number,
        "status": "failed",
        "current_step": "encode",
        "progress": 40,
        "message": "disk full",
    }


def test_a_repeated_or_late_update_is_not_told(here: Server) -> None:
    with opened(here.port, STREAM, here.token) as stream:
        number = created(here)
        for progress, seq in ((10, 1), (10, 1), (30, 3), (20, 2)):
            report(here, number, progress=progress, seq=seq)
        report(here, number, status="completed", seq=4)
        report(here, number, progress=50, seq=5)
        last = created(here)
        stream.until_message(queue_id=last)
    assert [message["progress"] for message in of(stream, number)] == [0, 10, 30, 100]


def test_a_batch_is_told_line_by_line(here: Server) -> None:
    lines = [{"id": f"told-{n}", "agent": "batch-stream", "progress": n} for n in range(50)]
    with opened(here.port, f"{STREAM}?agent=batch-stream", here.token) as stream:
        here.post(f"{QUEUE}/batch", "\n".join(map(json.dumps, lines)), headers={"Content-Type": "application/x-ndjson"})
        stream.until(lambda s: len(s.messages) >= 100)
    processing = [message["progress"] for message in stream.messages if message["status"] == "processing"]
    assert processing == list(range(50))


def test_a_job_that_an_agent_creates_at_a_stage_is_told_as_queued_first(here: Server) -> None:
    with opened(here.port, STREAM, here.token) as stream, opened(here.port, "/events", here.token) as events:
        job = here.post("/agents/pod/jobs", json={"id": "begun", "stage": "downloading"}).json()
        number = here.get("/api/v1/queue/begun?agent=pod").json()["queue_id"]
        stream.until_message(queue_id=number, status="processing")
        events.until(lambda s: len([one for one in s.named("job") if one.json()["queue_id"] == number]) >= 2)
    assert (job["status"], job["progress"]) == ("processing", 10)
    told = {"queue_id": number, "status": "queued", "progress": 0}
    assert of(stream, number) == [told, told | {"status": "processing", "current_step": "downloading", "progress": 10}]
    changes = [one.json() for one in events.named("job") if one.json()["queue_id"] == number]
    assert [(one["status"], one["stage"], one["progress"]) for one in changes] == [
        ("queued", None, 0), ("processing", "downloading", 10),
    ]  # fmt: skip


def test_the_stream_of_one_job_begins_with_its_state_and_tells_of_no_other(here: Server) -> None:
    number, other = created(here, id="one-of-two"), created(here)
    report(here, number, progress=25, current_step="scan", message="page 3")
    for ref in (str(number), "one-of-two"):
        with opened(here.port, f"{STREAM}/{ref}", here.token) as stream:
            first = stream.until(lambda s: s.messages)[0]
            assert first == {
                "queue_id": number,
                "status": "processing",
                "current_step": "scan",
                "progress": 25,
                "message": "page 3",
            }
            report(here, other, progress=1)
            report(here, number, message=f"next {ref}")
            stream.until_message(message=f"next {ref}")
            assert len(stream.messages) == 2
        report(here, number, progress=25, message="page 3")


@pytest.mark.parametrize("ref", ["999999999", "nobody", "%00", "9" * 400])
def test_the_stream_of_an_unknown_job_is_404(here: Server, ref: str) -> None:
    answer = here.get(f"{STREAM}/{ref}")
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")


def test_a_last_event_id_replays_what_was_missed_and_nothing_twice(here: Server) -> None:
    number = created(here)
    with opened(here.port, STREAM, here.token) as stream:
        report(here, number, progress=10)
        stream.until_message(queue_id=number, progress=10)
        last = stream.last_id
    for progress in (20, 30, 40):
        report(here, number, progress=progress)
    with opened(here.port, STREAM, here.token, last_id=last) as stream:
        report(here, number, progress=50)
        stream.until_message(queue_id=number, progress=50)
    assert [message["progress"] for message in of(stream, number)] == [20, 30, 40, 50]
    with opened(here.port, f"{STREAM}/{number}?last_event_id={last}", here.token) as stream:
        stream.until_message(queue_id=number, progress=50)
    assert [message["progress"] for message in stream.messages] == [20, 30, 40, 50]


def test_who_is_cut_off_before_the_first_event_misses_nothing_either(here: Server) -> None:
    with opened(here.port, STREAM, here.token) as stream:
        greeted = stream.last_id
    number = created(here)
    with opened(here.port, STREAM, here.token, last_id=greeted) as stream:
        stream.until_message(queue_id=number)


@pytest.mark.parametrize(
    "said",
    ["garbage", "-1", "0", "1-1", "99999999999999-0", "9" * 10_240, "1-1.1-1", "-", "1795274302627-", "²-0", "0x1-0"],
)
def test_a_last_event_id_that_leads_nowhere_gets_a_gap_and_the_present_states(here: Server, said: str) -> None:
    number = created(here)
    report(here, number, progress=33)
    with opened(here.port, STREAM, here.token, last_id=said.encode().decode("latin-1")) as stream:
        gap = stream.until(lambda s: s.named("gap"))[0]
        assert gap.json().keys() == {"from", "to"}
        assert re.fullmatch(r"\d+-\d+", gap.json()["to"]) and gap.id == gap.json()["to"]
        stream.until_message(queue_id=number, progress=33)
        assert [event.name for event in stream.events[:2]] == ["connected", "gap"]


def test_nothing_that_a_reporter_sends_begins_a_field_of_the_stream(here: Server) -> None:
    hostile = "a\nevent: gap\ndata: {}\n\nid: 9\r\ndata: x\rretry: 1"
    with opened(here.port, STREAM, here.token) as stream:
        number = created(here, message=hostile)
        assert stream.until_message(queue_id=number)["message"] == hostile
    assert not stream.named("gap") and not [event for event in stream.events[1:] if event.retry]


def test_stats_tell_of_open_streams_and_what_they_were_sent(here: Server) -> None:
    def stats() -> dict[str, Any]:
        told: dict[str, Any] = here.get("/api/v1/progress/stats").json()
        return told

    before = stats()
    assert before.keys() == {
        "connected_clients",
        "total_connections",
        "events_sent",
        "events_dropped",
        "buffer_size",
        "by_stream",
    }
    assert before["buffer_size"] == 10
    number = created(here)
    with opened(here.port, STREAM, here.token) as stream, opened(here.port, f"{STREAM}/{number}", here.token):
        wait_until(lambda: stats()["connected_clients"] >= before["connected_clients"] + 2)
        now = stats()
        assert now["total_connections"] >= before["total_connections"] + 2
        assert now["by_stream"]["all"] >= 1 and now["by_stream"][str(number)] == 1
        report(here, number, progress=5)
        stream.until_message(queue_id=number, progress=5)
        wait_until(lambda: stats()["events_sent"] > before["events_sent"])
    wait_until(lambda: str(number) not in stats()["by_stream"])


def test_streams_ask_for_a_token_that_may_read(here: Server) -> None:
    for token, status in ((None, 401), ("wrong", 401), ("ingest", 403), ("metrics", 403)):
        sent = {"Authorization": f"Bearer {TOKENS[token]}"} if token else {}
        for path in (STREAM, f"{STREAM}/1", "/api/v1/progress/stats"):
            assert here.get(path, token=None, headers=sent).status == status, (token, path)


def test_a_ticket_opens_one_stream_from_another_origin(here: Server) -> None:
    origin = {"Origin": FRONTEND}
    answer = here.post("/api/v1/tickets", headers=origin, token=TOKENS["read"])
    assert answer.status in (200, 201) and answer.headers["Cache-Control"] == "no-store"
    ticket = answer.json()["ticket"]
    assert answer.json()["expires_in"] == 30
    number = created(here)
    with opened(here.port, f"{STREAM}?ticket={ticket}", headers=origin) as stream:
        assert stream.headers["access-control-allow-origin"] == FRONTEND
        report(here, number, progress=7)
        stream.until_message(queue_id=number, progress=7)
    again = here.get(f"{STREAM}?ticket={ticket}", token=None)
    assert (again.status, again.headers["Content-Type"]) == (401, "application/problem+json")


@pytest.mark.parametrize("ticket", ["", "garbage", "x" * 5000, "%00", "%ff"])
def test_a_ticket_that_is_none_opens_nothing(here: Server, ticket: str) -> None:
    assert here.get(f"{STREAM}?ticket={ticket}", token=None).status == 401


def test_a_ticket_opens_streams_and_nothing_else(here: Server) -> None:
    ticket = here.post("/api/v1/tickets").json()["ticket"]
    assert here.get(f"{QUEUE}?ticket={ticket}", token=None).status == 401
    for token in ("ingest", "metrics"):
        assert here.post("/api/v1/tickets", token=TOKENS[token]).status == 403


def test_a_ticket_is_in_no_line_of_the_log(here: Server) -> None:
    ticket = here.post("/api/v1/tickets").json()["ticket"]
    with opened(here.port, f"{STREAM}?ticket={ticket}"):
        pass
    assert ticket not in here.log()


def test_without_sign_in_anyone_here_listens_and_foreign_pages_do_not(open_site: Server) -> None:
    with opened(open_site.port, STREAM, headers={"Origin": FRONTEND}) as stream:
        assert stream.events[0].name == "connected"
    answer = open_site.get(STREAM, token=None, headers={"Origin": "https://evil.example"})
    assert answer.status == 403


def test_a_head_request_is_answered_and_ends(here: Server) -> None:
    answer = here.request("HEAD", STREAM)
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/event-stream")
