"""Contracts: dialect T, the values of tiles and what is told beside them, to the published `eventsource` and to a bare socket."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.contracts.conftest import FRONTEND, TOKENS
from tests.node import Node
from tests.serving import Server
from tests.streams import Stream, opened

STREAM = "/sse/stats"
TILES = "/api/v1/tiles"
NOTIFICATIONS = "/api/v1/notifications"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
USUAL = {"users", "requests", "episodes_tracked", "notifications", "timestamp"}


def push(site: Server, id: str, value: float) -> None:
    assert site.put(f"{TILES}/{id}", json={"value": value}).status == 200


def notify(site: Server, **fields: Any) -> None:
    assert site.post(NOTIFICATIONS, json=fields).status == 202


def heard(source: Node, name: str, holds: Callable[[Any], object]) -> Any:
    """The first event of a name, from now on, whose data is as wanted."""
    return source.until(lambda said: said[0] == name and bool(holds(said[1])))[-1][1]


def test_a_published_eventsource_hears_the_nested_values_and_the_named_events(
    open_site: Server, node: Callable[..., Node]
) -> None:
    for id, value in (("users", 12), ("requests.total", 4300), ("requests.tracking", 17.5)):
        push(open_site, id, value)
    source = node(Path(__file__).parent / "eventsource.mjs", open_site.url + STREAM, "")
    assert source.until(lambda said: said[0] == "connected")[0][0] in ("open", "connected")
    first = heard(source, "message", lambda data: True)
    assert first.keys() >= USUAL
    assert (first["users"], first["requests"]) == (12, {"total": 4300, "tracking": 17.5})
    assert first["episodes_tracked"] is None
    assert set(first["notifications"]) == {"sent", "pending"} and TIME.fullmatch(first["timestamp"])

    push(open_site, "episodes_tracked", 3)
    notify(open_site, title="Backup <b>done</b>", body="one\ntwo", level="success")
    told = heard(source, "notification", lambda data: True)
    assert told.keys() == {"id", "title", "body", "level", "channel", "state", "created_at"}
    assert (told["title"], told["body"], told["level"]) == ("Backup <b>done</b>", "one\ntwo", "success")
    assert TIME.fullmatch(told["created_at"])
    sent = {"message": "no space <left>\nat all", "level": "error", "source": "web"}
    assert open_site.post("/api/v1/logs", json=sent).status in (200, 202)
    line = heard(source, "log", lambda data: data["source"] == "web")
    assert line.keys() >= {"id", "timestamp", "level", "source", "message", "job"}
    assert (line["message"], line["level"], line["job"]) == (sent["message"], "error", None)
    later = heard(source, "message", lambda data: data["episodes_tracked"] == 3)
    assert later["notifications"]["sent"] + later["notifications"]["pending"] >= 1


def test_values_come_at_once_and_every_five_seconds_the_same_to_all(here: Server) -> None:
    with opened(here.port, STREAM, TOKENS["read"]) as one, opened(here.port, STREAM, here.token) as other:
        assert one.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert [event.name for event in one.events[:1]] == ["connected"]
        first, second = one.until(lambda s: s.messages[1:] and s.messages)
        other.until(lambda s: second in s.messages)
    assert one.events[1].name == "message" and one.events[1].id is None
    apart = int(second["timestamp"][17:19]) - int(first["timestamp"][17:19])
    assert apart % 60 in (4, 5, 6)


def test_a_notification_that_was_missed_comes_again_and_none_twice(here: Server) -> None:
    def titles(stream: Stream) -> list[str]:
        return [event.json()["title"] for event in stream.named("notification")]

    with opened(here.port, STREAM, here.token) as stream:
        notify(here, title="first")
        stream.until(lambda s: titles(s) == ["first"])
        last = stream.last_id
    for title in ("second", "third"):
        notify(here, title=title)
    with opened(here.port, STREAM, here.token, last_id=last) as stream:
        stream.until(lambda s: "third" in titles(s) and s.messages)
        notify(here, title="fourth")
        stream.until(lambda s: "fourth" in titles(s))
    assert titles(stream) == ["second", "third", "fourth"]
    with opened(here.port, STREAM, here.token, last_id="1-0") as stream:
        stream.until(lambda s: s.named("gap") and s.messages)


def test_it_takes_who_may_read_and_a_ticket_and_nobody_else(here: Server) -> None:
    for who, status in (("ingest", 403), ("metrics", 403), ("wrong", 401)):
        with opened(here.port, STREAM, TOKENS[who]) as stream:
            assert stream.status == status
    ticket = here.post("/api/v1/tickets", token=TOKENS["read"]).json()["ticket"]
    with opened(here.port, f"{STREAM}?ticket={ticket}", headers={"Origin": FRONTEND}) as stream:
        assert stream.status == 200
        assert stream.headers["access-control-allow-origin"] == FRONTEND
    with opened(here.port, f"{STREAM}?ticket={ticket}") as stream:
        assert stream.status == 401


CONFIG = """
[[tiles]]
id = "jobs.done"
every = "1s"
source = {{ kind = "jobs", figure = "completed" }}

[[tiles]]
id = "mails"
every = "1s"
source = {{ kind = "redis", command = "LLEN", key = "mails" }}

[[tiles]]
id = "stuck"
every = "1s"
timeout = "1s"
source = {{ kind = "redis", command = "LLEN", key = "mails", url = "redis://:a-secret@127.0.0.1:{port}" }}
"""


def test_declared_tiles_are_read_while_one_of_them_hangs(server: Callable[..., Server], tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:  # takes connections, and never says a word
        path = tmp_path / "headway.toml"
        path.write_text(CONFIG.format(port=silent.getsockname()[1]))
        site = server({"HEADWAY_CONFIG": str(path)})
        number = site.post("/api/v1/queue", json={}).json()["queue_id"]
        site.put(f"/api/v1/queue/{number}", json={"status": "completed"})
        with opened(site.port, STREAM, site.token) as stream:
            tick = stream.until_message(jobs={"done": 1})
        assert (tick["mails"], tick["stuck"]) == (0, None)
        tiles = {tile["id"]: tile for tile in site.get(TILES).json()["tiles"]}
        assert tiles["jobs.done"]["unavailable"] is None
        assert re.search(r"did not answer within 1 ?s$", tiles["stuck"]["unavailable"])
        told = site.get("/metrics").text
        assert 'headway_tile{tile="jobs.done"} 1.0' in told
        assert 'headway_tile_up{tile="stuck"} 0.0' in told
        assert site.put(f"{TILES}/mails", json={"value": 1}).status == 409
        assert "a-secret" not in site.log() + site.get(TILES).text + told
