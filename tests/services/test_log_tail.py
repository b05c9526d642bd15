"""New lines go to those who listen: as events, as rows, a few times a second, the newest where they are too many."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis

from core.hub import Hub
from core.queued import QueuedClient
from core.site import Site
from core.store import Store
from services import log_chunks, log_model, log_tail, logs_service
from services.log_tail import LINES, ROWS, LogTail
from services.logs_service import LogQuery
from tests.conftest import Valkey, wait_until
from tests.services.log_lines import line, of_job, store

Listen = Callable[..., QueuedClient]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_tail, "GATHER_S", 0.1)
    monkeypatch.setattr(log_tail, "BLOCK_MS", 50)
    monkeypatch.setattr(log_tail, "PAUSE_S", 0.05)


@pytest.fixture
def listen(site: Site) -> Iterator[Listen]:
    """Brings in a client of a channel, once the tail stands where it will hear what comes from now on."""
    clients: list[QueuedClient] = []
    tails: dict[int, LogTail] = {}

    def join(channel: str, at: Site = site) -> QueuedClient:
        tail = tails.get(id(at)) or LogTail(at, lambda lines: [f"<li>{one.message}</li>" for one in lines])
        tails[id(at)] = tail
        client = QueuedClient(at.hub, "page", (channel,), 1000)
        clients.append(client)
        at.hub.join(client)
        wait_until(lambda: tail._at is not None, what="the tail's place")
        return client

    yield join
    for client in clients:
        client.close()
    wait_until(lambda: not following(), what="the end of the tails")


@pytest.fixture
def site(site: Site) -> Site:
    """With a hub of its own, which the application's tail does not hear."""
    return replace(site, hub=Hub())


def following() -> bool:
    return any(thread.name == "headway-log-tail" for thread in threading.enumerate())


def events(client: QueuedClient) -> list[tuple[str, Any]]:
    """What it got so far: each event's name and its data."""
    got = []
    for frame in client._backlog.frames:
        head, _, data = frame.data.decode().removesuffix("\n\n").partition("data: ")
        got.append((head.strip().removeprefix("event: "), json.loads(data)))
    return got


def rows(client: QueuedClient) -> list[str]:
    return [row for _, data in events(client) for row in data["rows"]]


def test_programs_get_an_event_a_line_in_the_shape_of_the_contract(site: Site, listen: Listen) -> None:
    client = listen(LINES)
    store(site, line("one \x1b[31mred\x1b[0m\ntwo", "warning"), of_job("about a job"))
    wait_until(lambda: client.waiting == 2, what="two lines")
    (name, first), (_, second) = events(client)
    assert name == "log"
    assert first == {"id": first["id"], "timestamp": "2023-11-14T22:13:20.000Z", "level": "warning", "source": "web",
                     "message": "one red\ntwo", "job": None}  # fmt: skip
    assert (second["message"], second["job"]) == ("about a job", "a")
    assert all(b"id: " not in frame.data for frame in client._backlog.frames), "they are not replayed"


def test_pages_get_rows_once_a_while_with_the_id_to_ask_behind(site: Site, listen: Listen) -> None:
    client = listen(ROWS)
    for number in range(5):
        store(site, line(f"line {number}"))
    wait_until(lambda: len(rows(client)) == 5, what="five rows")
    assert rows(client) == [f"<li>line {number}</li>" for number in range(5)]
    assert client.waiting < 5, "gathered"
    name, last = events(client)[-1]
    assert (name, last["feed"], last["skipped"]) == ("rows", "logs", 0)
    assert last["after"].endswith("-0")


def test_of_too_many_lines_the_newest_are_shown_and_the_others_counted(site: Site, listen: Listen) -> None:
    client = listen(ROWS)
    store(site, *(line(f"{number}", source=f"s{number // 400}") for number in range(1000)))
    wait_until(lambda: client.waiting, what="rows")
    (_, data), *_ = events(client)
    assert data["rows"] == [f"<li>{number}</li>" for number in range(800, 1000)]
    assert data["skipped"] == 800


def test_programs_are_told_of_lines_that_are_left_out_and_can_ask_for_just_those(site: Site, listen: Listen) -> None:
    client = listen(LINES)
    store(site, line("first"))
    wait_until(lambda: client.waiting == 1, what="the first line")
    store(site, *(line(f"{number}") for number in range(500)))
    wait_until(lambda: client.waiting == 202, what="the newest lines")
    _, (name, left_out), *newest = events(client)
    assert name == "skipped"
    assert [one["message"] for _, one in newest] == [f"{number}" for number in range(300, 500)]
    after, cursor = (log_model.line_id(left_out[way]) for way in ("after", "cursor"))
    asked = logs_service.search(site, LogQuery(after=after, before=cursor, limit=1000))
    assert left_out["lines"] == 300
    assert [one.message for one in asked.lines] == [f"{number}" for number in reversed(range(300))]


def test_lines_that_could_not_be_read_go_out_once_they_can_be(
    site: Site, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, faults, fetch = listen(LINES), [redis.TimeoutError("slow")], log_chunks.fetch

    def failing(*given: Any, **named: Any) -> Any:
        if faults:
            raise faults.pop()
        return fetch(*given, **named)

    monkeypatch.setattr(log_chunks, "fetch", failing)
    store(site, line("one"))
    wait_until(lambda: client.waiting, what="the line")
    assert [one["message"] for _, one in events(client)] == ["one"]


def test_a_line_never_begins_a_field_of_the_stream(site: Site, listen: Listen) -> None:
    lines, pages = listen(LINES), listen(ROWS)
    store(site, line("a\nevent: gap\ndata: {}\n\nid: 7"))
    wait_until(lambda: lines.waiting and pages.waiting, what="both")
    for client in (lines, pages):
        (frame,) = client._backlog.frames
        assert frame.data.count(b"\n") == 3 and frame.data.startswith(b"event: ")


def test_while_nobody_listens_nothing_is_read_and_who_comes_then_gets_what_is_new(site: Site, listen: Listen) -> None:
    first = listen(ROWS)
    first.close()
    wait_until(lambda: not following(), what="the end of the tail")
    store(site, line("unheard"))
    second = listen(ROWS)
    wait_until(lambda: store(site, line("heard")) or rows(second), what="rows")
    assert "<li>unheard</li>" not in rows(second)


def test_a_store_that_goes_away_and_comes_back_is_followed_on(
    own_valkey: Callable[..., Valkey], site: Site, listen: Listen
) -> None:
    valkey = own_valkey()
    mine = replace(site, store=Store(valkey.url), hub=Hub())
    client = listen(LINES, mine)
    store(mine, line("before"))
    wait_until(lambda: client.waiting == 1, what="the line before")
    valkey.stop()
    wait_until(lambda: not valkey.answers())
    valkey.start()  # empty, and its clock is what it was
    wait_until(lambda: store(mine, line("after")) or client.waiting > 1, what="a line after")
    assert events(client)[-1][1]["message"] == "after"
    client.close()
    mine.store.close()
