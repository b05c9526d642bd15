"""What the JavaScript client makes of what comes over the wire, and of what sites and routers answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.js.conftest import HERE, Watch, updates
from tests.clients.js.scripted import STREAM, refusal, scripted
from tests.node import Node

HELLO = b'event: connected\nretry: 20\ndata: {"client_id":"c"}\n\n'


def update(number: int, progress: int, position: str) -> bytes:
    value = {"queue_id": number, "status": "processing", "progress": progress}
    return f"id: {position}\ndata: {json.dumps(value)}\n\n".encode()


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("data: a\n\ndata:b\r\n\r\ndata: c\r\r", [["message", "a", ""], ["message", "b", ""], ["message", "c", ""]]),
        ("data: a\ndata\ndata:  b\n\n", [["message", "a\n\n b", ""]]),
        ("event: job\nid: 7-0\ndata: {}\n\n: keepalive\n\nevent: none\n\ndata: x\n\n", [["job", "{}", "7-0"], ["message", "x", "7-0"]]),
        ("id: 1\n\ndata: x\n\nid\ndata: y\n\nid: a\0b\ndata: z\n\n", [["message", "x", "1"], ["message", "y", ""], ["message", "z", ""]]),
        ("retry: 12\nretry: 1x\nother: 1\ndata: ä–🎬\n\ndata: unfinished\n", [["message", "ä–🎬", ""]]),
    ],
)  # fmt: skip
def test_a_stream_is_read_as_the_standard_says_however_it_is_cut(
    node: Callable[..., Node], text: str, events: list[list[str]]
) -> None:
    for pieces in ([text], list(text)):
        said = node(HERE / "reader.mjs", json.dumps(pieces)).value()
        assert said["events"] == events
        assert said["retryMs"] == (12 if "retry" in text else None)


def finish(watcher: Node, number: int) -> list[Any]:
    """All that was said up to the last update, which is of this job."""
    return watcher.until(lambda said: said[0] == "onUpdate" and said[1]["queue_id"] == number)


def test_a_stream_that_is_refused_or_cut_is_opened_again_behind_its_last_event(watch: Watch) -> None:
    with scripted(
        [STREAM, HELLO],
        refusal("503 Service Unavailable", "Retry-After: 1"),
        refusal("401 Unauthorized"),
        refusal("404 Not Found", problem=False),
        [STREAM, HELLO + update(1, 10, "5-0") + b"id: 6-0\ndata: {"],
        [STREAM, HELLO, update(2, 10, "7-0")],
    ) as server:
        watcher = watch(server.url, token="abc")
        said = finish(watcher, 2)
    assert [value["queue_id"] for value in updates(said)] == [1, 2]
    assert [value.get("status") for name, value in said if name == "onError"] == [None, 503, 401, 404, None]
    assert server.times[2] - server.times[1] >= 1
    assert all("authorization: bearer abc" in head for head in server.asked)
    assert ["last-event-id: 5-0" in head for head in server.asked] == [False] * 5 + [True]


def test_a_stream_that_is_forbidden_is_not_asked_for_again(watch: Watch) -> None:
    with scripted(refusal("403 Forbidden"), [STREAM, HELLO]) as server:
        watcher = watch(server.url)
        name, error = watcher.value()
        assert (name, error["status"], error["final"]) == ("onError", 403, True)
        assert watcher.value() == ["closed", []]
        watcher.finish()
        assert len(server.asked) == 1


def test_an_event_that_comes_twice_is_heard_once_and_states_of_one_position_are_all_heard(watch: Watch) -> None:
    twice = update(1, 10, "5-0") + update(2, 20, "5-0")
    with scripted([STREAM, HELLO, twice], [STREAM, HELLO, twice, update(3, 30, "6-0")]) as server:
        said = finish(watch(server.url), 3)
    assert [value["queue_id"] for value in updates(said)] == [1, 2, 3]


def test_a_gap_drops_what_was_kept_and_the_present_states_take_its_place(watch: Watch) -> None:
    gap = b'event: gap\nid: 9-0\ndata: {"from":"5-0","to":"9-0"}\n\n'
    with scripted([STREAM, HELLO, update(1, 10, "5-0")], [STREAM, HELLO, gap + update(2, 20, "9-0")]) as server:
        watcher = watch(server.url)
        said = finish(watcher, 2)
        assert ["onGap", {"from": "5-0", "to": "9-0"}] in said
        watcher.say("updates")
        assert [value["queue_id"] for value in watcher.value()[1]] == [2]


def test_a_site_that_restarts_says_when_to_come_back_and_that_holds_once(watch: Watch) -> None:
    goodbye = b'event: reconnect\nretry: 900\ndata: {"retry":900}\n\n'
    cut = [STREAM, HELLO, update(1, 10, "5-0")]
    with scripted([STREAM, HELLO, goodbye], cut, [STREAM, HELLO, update(2, 20, "6-0")]) as server:
        finish(watch(server.url), 2)
    assert server.times[1] - server.times[0] >= 0.9
    assert server.times[2] - server.times[1] < server.times[1] - server.times[0]


def test_figures_notifications_and_lines_are_kept_newest_first_and_outlast_a_gap(watch: Watch) -> None:
    def named(name: str, position: str, **value: Any) -> bytes:
        return f"event: {name}\nid: {position}\ndata: {json.dumps(value)}\n\n".encode()

    tick = b'data: {"users": 3, "timestamp": "t1"}\n\n'
    gap = named("gap", "9-0", **{"from": "5-0", "to": "9-0"})
    first = [
        STREAM,
        HELLO,
        tick,
        named("notification", "5-0", id="a"),
        named("log", "5-0", id="1"),
        named("log", "5-0", id="2"),
    ]
    left_out = b'event: skipped\ndata: {"lines": 7, "after": "2", "cursor": "3"}\n\n'
    second = [STREAM, HELLO, tick, named("notification", "5-0", id="a"), gap, left_out, named("log", "9-0", id="3")]
    with scripted(first, second) as server:
        watcher = watch(server.url, stats=True, limit=2)
        said = watcher.until(lambda said: said == ["onLog", {"id": "3"}])
        watcher.say("state")
        state = watcher.until(lambda said: said[0] == "state")[-1][1]
    assert [value for name, value in said if name == "onNotification"] == [{"id": "a"}]
    assert ["onGap", {"from": "5-0", "to": "9-0"}] in said
    assert ["onSkipped", {"lines": 7, "after": "2", "cursor": "3"}] in said
    assert (state["stats"]["users"], state["notifications"]) == (3, [{"id": "a"}])
    assert [line["id"] for line in state["logs"]] == ["3", "2"]


def test_an_outage_that_goes_on_over_a_new_connection_is_told_again(watch: Watch) -> None:
    degraded = b'event: degraded\ndata: {"reason": "the store is away", "since": "t"}\n\n'
    recovered = b'event: recovered\ndata: {"reason": "the store is away", "since": "t"}\n\n'
    ends = [STREAM, HELLO, update(1, 10, "5-0"), degraded]
    with scripted(ends, [STREAM, HELLO, degraded, recovered, update(2, 20, "6-0")]) as server:
        said = finish(watch(server.url), 2)
    told = [name for name, _ in said if name in ("onDegraded", "onRecovered")]
    assert told == ["onDegraded", "onDegraded", "onRecovered"]
