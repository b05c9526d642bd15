"""Dialect T: what a tick says, and that it is computed once for all who listen."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from msgspec import structs

from core.queued import QueuedClient
from core.site import Site
from core.store import Store
from services import notifications_service, stats_stream, tiles_service
from services.log_tail import LogTail
from services.notification_model import NewNotification
from services.stats_stream import CHANNEL, StatsStream, nested, snapshot
from tests.conftest import Valkey, wait_until
from tests.services.log_lines import line, store
from tests.services.told_tiles import NOW, at, declaring

Listen = Callable[[StatsStream], QueuedClient]


def ticking() -> bool:
    return any(thread.name == "headway-ticks-stats" for thread in threading.enumerate())


@pytest.fixture
def listen(site: Site) -> Iterator[Listen]:
    """Brings in a client as a stream does: it joins, and then gets what comes first."""
    clients: list[QueuedClient] = []

    def join(stream: StatsStream) -> QueuedClient:
        client = QueuedClient(site.hub, "sse", (CHANNEL,), 64)
        clients.append(client)
        site.hub.join(client)
        first = stream.stream().first
        assert first is not None
        frames = first()
        client.deliver(b"".join(frame.data for frame in frames), frames)
        return client

    yield join
    for client in clients:
        client.close()
    wait_until(lambda: not ticking(), what="the end of the ticks")


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats_stream, "EVERY_S", 0.1)


def said(client: QueuedClient) -> list[Any]:
    """What waits for a client: the data of each tick."""
    return [json.loads(frame.data.partition(b"data: ")[2]) for frame in client._backlog.frames]


def test_a_tick_of_a_fresh_site_has_the_usual_paths_without_values(site: Site) -> None:
    assert snapshot(at(site, NOW)) == {
        "users": None,
        "requests": {"total": None, "tracking": None},
        "episodes_tracked": None,
        "notifications": {"sent": 0, "pending": 0},
        "timestamp": "2027-01-15T08:00:30.000Z",
    }


def test_each_tile_stands_at_the_path_that_its_id_spells(site: Site) -> None:
    site = declaring(site, '[[tiles]]\nid = "a.b.c"\n[[tiles]]\nid = "a.d"\n[[tiles]]\nid = "e"\n')
    for id, value in (("a.b.c", 1), ("a.d", 2.5), ("x.y", 4), ("a.b.f", 5)):
        tiles_service.set_value(site, id, value)
    found = snapshot(site)
    assert {name: found[name] for name in ("a", "e", "x")} == {
        "a": {"b": {"c": 1, "f": 5}, "d": 2.5}, "e": None, "x": {"y": 4},
    }  # fmt: skip


def test_whole_numbers_go_over_the_wire_as_whole_numbers(site: Site, listen: Listen, soon: None) -> None:
    tiles_service.increment(site, "users", 3)
    tiles_service.set_value(site, "episodes_tracked", 2.5)
    client = listen(StatsStream(site))
    assert b'"users":3,' in client._backlog.frames[0].data
    assert b'"episodes_tracked":2.5,' in client._backlog.frames[0].data


def test_notifications_count_by_what_became_of_them(site: Site) -> None:
    for number in range(3):
        notifications_service.create(site, NewNotification(f"n{number}"))
    assert snapshot(site)["notifications"] == {"sent": 0, "pending": 3}


def test_nesting_says_what_ids_spell() -> None:
    assert nested({}) == {}
    assert nested({"a.b": 1, "a.c.d": None, "e": 2}) == {"a": {"b": 1, "c": {"d": None}}, "e": 2}


def test_two_thousand_who_listen_share_one_snapshot_a_tick(
    site: Site, listen: Listen, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    whole = stats_stream.snapshot
    monkeypatch.setattr(stats_stream, "snapshot", lambda site: taken.append(1) or whole(site) | {"n": len(taken)})
    stream = StatsStream(site)
    clients = [listen(stream) for _ in range(2000)]
    seen = wait_until(lambda: all(client.waiting >= 3 for client in clients) and len(taken), what="ticks for all")
    ticks = {tick["n"] for client in clients for tick in said(client)}
    assert ticks == set(range(1, max(ticks) + 1))
    assert seen >= max(ticks) >= 3


def test_who_has_the_first_values_hears_every_line_from_then_on(
    app: Flask, site: Site, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = LogTail._begin
    monkeypatch.setattr(LogTail, "_begin", lambda tail, store: time.sleep(0.2) or begin(tail, store))
    client = listen(app.extensions["headway.stats"])
    store(site, line("at once"))
    wait_until(lambda: client.waiting > 1, what="the line")
    assert said(client)[1]["message"] == "at once"


def test_while_nobody_listens_nothing_is_read_and_who_comes_then_gets_fresh_values(
    site: Site, listen: Listen, soon: None
) -> None:
    stream = StatsStream(site)
    listen(stream).close()
    wait_until(lambda: not ticking(), what="the end of the ticks")
    tiles_service.set_value(site, "users", 8)
    assert said(listen(stream))[0]["users"] == 8


def test_without_the_store_nothing_is_said_and_nothing_invented(
    own_valkey: Callable[..., Valkey], site: Site, listen: Listen, soon: None
) -> None:
    valkey = own_valkey()
    valkey.stop()
    away = Store(valkey.url)
    client = listen(StatsStream(replace(site, store=away)))
    assert client.waiting == 0
    valkey.start()
    wait_until(lambda: client.waiting, what="values")
    away.close()


def test_a_new_notification_is_one_event_with_its_place_and_a_change_of_it_none(site: Site) -> None:
    text = "<b>x</b>\nevent: gap\u202e"
    notifications_service.create(site, NewNotification("title", text, "error", id="mine"))
    (entry,) = site.bus.log.entries(0, site.store.raw.xrange("headway:{0}:events"))
    entry.place([entry.id])
    frame = stats_stream.notification(entry)
    assert frame is not None and frame is stats_stream.notification(entry)
    head, _, rest = frame.data.decode().partition("data: ")
    assert head == f"event: notification\nid: {entry.position}\n"
    assert rest.count("\n") == 2
    told = json.loads(rest)
    assert told.pop("created_at").endswith("Z")
    assert told == {
        "id": "mine", "title": "title", "body": text, "level": "error", "channel": None, "state": "pending",
    }  # fmt: skip
    changed = replace(entry, value=structs.replace(entry.value, kind="changed"), memo={})
    assert stats_stream.notification(changed) is None
    assert stats_stream.notification(replace(entry, kind="e", memo={})) is None
