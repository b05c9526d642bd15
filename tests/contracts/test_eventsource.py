"""The package `eventsource`, as it is published, on the stream of progress: a browser's EventSource outside of one."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Valkey
from tests.nginx import nginx
from tests.node import Node
from tests.serving import Server

STREAM = "/api/v1/progress/stream"
Follow = Callable[..., Node]


@pytest.fixture
def follow(node: Callable[..., Node]) -> Follow:
    """Opens a stream, `follow(url, token)`, and waits until it stands; says `[what, …]` for each thing it hears."""

    def begin(url: str, token: str = "") -> Node:
        source = node(Path(__file__).parent / "eventsource.mjs", url, token)
        source.until(lambda said: said[0] == "connected")
        return source

    return begin


def message(source: Node) -> Any:
    """The next update that it hears."""
    return source.until(lambda said: said[0] == "message")[-1][1]


def test_it_hears_each_update_of_the_documented_shape(open_site: Server, here: Server, follow: Follow) -> None:
    for site in (open_site, here):
        source = follow(site.url + STREAM, site.token)
        number = site.post("/api/v1/queue", json={"title": "a.mp4"}).json()["queue_id"]
        site.put(f"/api/v1/queue/{number}", json={"current_step": "encode", "progress": 30, "message": "at it"})
        assert message(source) == {"queue_id": number, "status": "queued", "progress": 0}
        assert message(source) == {
            "queue_id": number,
            "status": "processing",
            "current_step": "encode",
            "progress": 30,
            "message": "at it",
        }


def test_it_loses_and_doubles_nothing_when_the_site_is_killed_and_started_again(
    own_valkey: Callable[..., Valkey], server: Callable[..., Server], follow: Follow
) -> None:
    env = {"REDIS_URL": own_valkey().url, "HEADWAY_AUTH": "off"}
    watched, other = server(env), server(env)
    source = follow(watched.url + STREAM)
    number = other.post("/api/v1/queue", json={}).json()["queue_id"]

    def work() -> None:
        for progress in range(1, 100):
            other.put(f"/api/v1/queue/{number}", json={"progress": progress})
        other.put(f"/api/v1/queue/{number}", json={"status": "completed"})

    worker = threading.Thread(target=work)
    worker.start()
    heard = [message(source)["progress"] for _ in range(10)]
    watched.kill()
    worker.join()
    watched.start()
    said = source.until(lambda said: said[0] == "message" and said[1]["status"] == "completed")
    assert ["error", False] in said
    assert heard + [one[1]["progress"] for one in said if one[0] == "message"] == list(range(101))
    watched.kill()
    other.kill()


def test_each_event_comes_at_once_through_an_nginx_that_buffers(here: Server, follow: Follow) -> None:
    with nginx(here) as port:
        source = follow(f"http://127.0.0.1:{port}{STREAM}", here.token)
        for _ in range(3):
            number = here.post("/api/v1/queue", json={}).json()["queue_id"]
            assert message(source)["queue_id"] == number
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        asked = {"Authorization": f"Bearer {here.token}", "Accept-Encoding": "gzip, br"}
        connection.request("GET", STREAM, headers=asked)
        answer = connection.getresponse()
        assert answer.readline() == b"event: connected\n"
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-cache, no-transform"
        assert "Content-Encoding" not in answer.headers
        answer.close()
        connection.close()
