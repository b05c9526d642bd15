"""Contracts: dialect M, the figures as they are now and over time."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.contracts.conftest import TOKENS
from tests.serving import Server
from tests.streams import Event, Stream, opened

EVENTS = "/events"
OVER_TIME = "/api/v1/metrics/jobs"
QUEUE = "/api/v1/queue"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
STEPS = {"15m": (60, 15), "1h": (60, 60), "6h": (300, 72), "24h": (900, 96), "7d": (3600, 168), "30d": (14_400, 180)}


def shape(value: Any) -> Any:
    """The names of an object, down to its figures."""
    return {name: shape(inner) for name, inner in value.items()} if isinstance(value, dict) else None


def named(*names: str) -> dict[str, None]:
    return dict.fromkeys(names)


TIMES = named("p50", "p95", "mean")
TICK = {
    "jobs": named("total", "queued", "processing", "completed", "failed"),
    "rates": named("jobs_per_minute", "success_rate"),
    "processing_time": TIMES,
    "queue_depth": None,
    "system": named("cpu_percent", "memory_percent", "load1", "open_streams"),
    "timestamp": None,
}
POINT = {
    "timestamp": None,
    "jobs": named("created", "completed", "failed"),
    "rates": named("jobs_per_minute", "success_rate"),
    "processing_time": TIMES,
    "queue_depth": None,
}


def create(site: Server, **fields: Any) -> int:
    return int(site.post(QUEUE, json=fields).json()["queue_id"])


def report(site: Server, number: int, **fields: Any) -> None:
    assert site.put(f"{QUEUE}/{number}", json=fields).status == 200


def changes(stream: Stream, number: int) -> list[Any]:
    return [event.json() for event in stream.named("job") if event.json()["queue_id"] == number]


def is_end(number: int) -> Any:
    return lambda s: [one for one in changes(s, number) if one["status"] in ("completed", "failed")]


def test_the_present_figures_come_at_once_and_then_every_two_seconds(here: Server) -> None:
    with opened(here.port, EVENTS, TOKENS["read"]) as stream:
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        first, second, third = stream.until(lambda s: s.messages[2:] and s.messages)
        assert stream.events[0].name == "connected"
        assert stream.events[1].name == "message"
    for tick in (first, second, third):
        assert shape(tick) == TICK
        assert TIME.fullmatch(tick["timestamp"])
        assert tick["jobs"]["total"] == sum(tick["jobs"][name] for name in TICK["jobs"] if name != "total")  # type: ignore[union-attr]
        assert tick["queue_depth"] == tick["jobs"]["queued"]
        assert tick["system"]["cpu_percent"] >= 0 and 0 < tick["system"]["memory_percent"] <= 100
    assert first["timestamp"] < second["timestamp"] < third["timestamp"]
    apart = [int(tick["timestamp"][17:19]) for tick in (second, third)]
    assert (apart[1] - apart[0]) % 60 in (1, 2, 3)  # on a busy machine one is read late, and the next in time


def test_all_clients_of_a_process_get_the_same_figures(here: Server) -> None:
    with opened(here.port, EVENTS, here.token) as one, opened(here.port, EVENTS, here.token) as other:
        one.until(lambda s: len(s.messages) >= 3)
        other.until(lambda s: len(s.messages) >= 2)
    assert [tick for tick in other.messages if tick in one.messages][-1] == other.messages[-1]


def test_the_figures_follow_what_is_reported(here: Server) -> None:
    with opened(here.port, EVENTS, here.token) as stream:
        before = stream.until(lambda s: s.messages)[0]
        for status in ("completed", "failed", "processing"):
            report(here, create(here, agent="ticked"), status=status)
        create(here, agent="ticked")
        stream.until(lambda s: s.messages[-1]["jobs"]["total"] >= before["jobs"]["total"] + 4)
    now = stream.messages[-1]
    for name in ("queued", "processing", "completed", "failed"):
        assert now["jobs"][name] == before["jobs"][name] + 1
    ended = now["jobs"]["completed"] + now["jobs"]["failed"]
    assert now["rates"]["success_rate"] == round(100 * now["jobs"]["completed"] / ended, 2)
    assert now["processing_time"]["p50"] is not None
    assert now["system"]["open_streams"] >= 0


def test_each_change_of_status_is_an_event_job_and_progress_alone_is_none(here: Server) -> None:
    with opened(here.port, EVENTS, here.token) as stream:
        number = create(here, id="told-to-m", agent="cutter", title="a.mp4")
        report(here, number, current_step="encode", progress=10)
        report(here, number, progress=55.5)
        report(here, number, status="failed", error="disk full")
        report(here, number, attempt=2, progress=5)
        report(here, number, status="completed")
        stream.until(lambda s: changes(s, number)[-1:] and changes(s, number)[-1]["status"] == "completed")
    told = changes(stream, number)
    assert [(one["status"], one["stage"], one["progress"]) for one in told] == [
        ("queued", None, 0),
        ("processing", "encode", 10),
        ("failed", "encode", 55.5),
        ("processing", None, 5),
        ("completed", None, 100),
    ]
    for one in told:
        assert one.keys() == {"id", "queue_id", "agent", "title", "status", "stage", "progress", "timestamp"}
        assert (one["id"], one["agent"], one["title"]) == ("told-to-m", "cutter", "a.mp4")
        assert TIME.fullmatch(one["timestamp"])


def test_a_last_event_id_replays_the_changes_that_were_missed_and_nothing_twice(here: Server) -> None:
    with opened(here.port, EVENTS, here.token) as stream:
        number = create(here)
        stream.until(lambda s: changes(s, number))
        last = stream.last_id
    report(here, number, progress=10)
    report(here, number, status="completed")
    with opened(here.port, EVENTS, here.token, last_id=last) as stream:
        stream.until(is_end(number))
        later = create(here)
        stream.until(lambda s: changes(s, later) and s.messages)
    assert [one["status"] for one in changes(stream, number)] == ["processing", "completed"]
    assert [one["status"] for one in changes(stream, later)] == ["queued"]


def test_a_tick_has_no_id_so_that_none_is_replayed(here: Server) -> None:
    with opened(here.port, EVENTS, here.token) as stream:
        stream.until(lambda s: s.messages)
    ticks: list[Event] = stream.named("message")
    assert [tick.id for tick in ticks] == [None] * len(ticks)


@pytest.mark.parametrize("said", ["nonsense", "99999999999999-0", "-1"])
def test_an_id_that_nobody_gave_is_a_gap_and_the_present_figures_follow(here: Server, said: str) -> None:
    with opened(here.port, EVENTS, here.token, last_id=said) as stream:
        stream.until(lambda s: s.named("gap") and s.messages)
        assert stream.named("gap")[0].json()["from"] == said


def test_jobs_of_a_history_file_are_no_change(here: Server) -> None:
    with opened(here.port, EVENTS, here.token) as stream:
        stream.until(lambda s: s.messages)
        rows = json.dumps({"id": "old-m", "agent": "history", "status": "completed"})
        here.post("/dashboard/uploads?name=old.ndjson", rows)
        number = create(here)
        stream.until(lambda s: changes(s, number))
    assert not [event for event in stream.named("job") if event.json()["agent"] == "history"]


def test_listening_takes_a_token_that_may_read_or_a_ticket(here: Server) -> None:
    for path in (EVENTS, OVER_TIME):
        assert here.get(path, token=None).status == 401
        assert here.get(path, token=TOKENS["ingest"]).status == 403
    ticket = here.post("/api/v1/tickets").json()["ticket"]
    with opened(here.port, f"{EVENTS}?ticket={ticket}") as stream:
        assert stream.until(lambda s: s.messages)


@pytest.mark.parametrize("name", STEPS)
def test_a_range_has_the_same_figures_over_time(here: Server, name: str) -> None:
    report(here, create(here), status="completed")
    answer = here.get(f"{OVER_TIME}?range={name}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    told = answer.json()
    assert told.keys() == {"range", "step_seconds", "points"}
    assert (told["range"], told["step_seconds"], len(told["points"])) == (name, *STEPS[name])
    assert [shape(point) for point in told["points"]] == [POINT] * len(told["points"])
    assert all(TIME.fullmatch(point["timestamp"]) for point in told["points"])


def test_a_job_that_ended_is_in_the_newest_points(here: Server) -> None:
    def ended() -> int:
        return sum(point["jobs"]["completed"] for point in here.get(f"{OVER_TIME}?range=15m").json()["points"])

    before = ended()
    report(here, create(here), status="completed")
    assert ended() == before + 1
    last = [point for point in here.get(OVER_TIME).json()["points"] if point["jobs"]["completed"]][-1]
    assert last["processing_time"]["p50"] is not None and last["rates"]["success_rate"] > 0


@pytest.mark.parametrize("name", ["2h", "15M", "1h ", "0"])
def test_another_range_is_refused_with_the_choices(here: Server, name: str) -> None:
    answer = here.get(f"{OVER_TIME}?range={name.replace(' ', '%20')}")
    assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert answer.json()["field"] == "range"
    assert all(choice in answer.json()["detail"] for choice in STEPS)
