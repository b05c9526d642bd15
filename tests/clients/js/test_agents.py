"""What the JavaScript client makes of an agent's events, over the real socket.io-client."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.js.conftest import HERE, create, heard_from, report
from tests.conftest import TOKEN, Valkey
from tests.node import Node
from tests.serving import Server

Listen = Callable[..., Node]


@pytest.fixture
def listen(node: Callable[..., Node]) -> Listen:
    """Listens to an agent from Node: `listen(url, agentId=…, tokens=[…], list=…)`."""

    def begin(url: str, **options: Any) -> Node:
        return node(HERE / "agents.mjs", url, json.dumps({"tokens": [TOKEN], **options}))

    return begin


def joined(listener: Node) -> None:
    listener.until(lambda said: said == ["connect", None])


def titles(shown: dict[str, Any]) -> list[Any]:
    return [job["videoTitle"] for job in shown["activeJobs"]]


def test_an_agent_socket_hears_of_its_agent_alone(headway: Server, listen: Listen) -> None:
    listener = listen(headway.url, agentId="studio")
    joined(listener)
    create(headway, agent="mail", id="m1")
    report(headway, create(headway, agent="mail"), progress=5)
    number = create(headway, agent="studio", id="s1")
    heard_from(listener, lambda: report(headway, number, current_step="encode", progress=10, message="at it"))
    name, event = listener.value()
    assert name == "job:progress"
    assert {"jobId": "s1", "stage": "encode", "progress": 10, "message": "at it"}.items() <= event.items()
    report(headway, number, status="completed")
    said = listener.until(lambda said: said[0] == "job:completed")
    assert {event["jobId"] for _, event in said} == {"s1"}
    assert said[-1][1] == {"jobId": "s1", "episodeId": None, "published": False}


def test_an_agent_socket_that_was_turned_away_asks_again_with_a_new_token(headway: Server, listen: Listen) -> None:
    listener = listen(headway.url, agentId="studio", tokens=["wrong", TOKEN])
    said = listener.until(lambda said: said == ["connect", None])
    assert "connect_error" in [name for name, _ in said]


def test_the_list_of_active_jobs_begins_with_those_that_are_and_follows_them(headway: Server, listen: Listen) -> None:
    old = create(headway, agent="lists", title="old.mp4")
    shown = listen(headway.url, agentId="lists", list=True)
    first = shown.until(lambda shown: shown["activeJobs"])[-1]
    assert (titles(first), first["activeJobs"][0]["status"]) == (["old.mp4"], "pending")
    new = create(headway, agent="lists", title="new.mp4")
    report(headway, new, current_step="encode", progress=25)
    latest = shown.until(lambda shown: titles(shown) == ["new.mp4", "old.mp4"])[-1]["activeJobs"][0]
    assert (latest["stage"], latest["progress"], latest["status"]) == ("encode", 25, "processing")
    report(headway, old, status="failed", error="no such file")
    shown.until(lambda shown: titles(shown) == ["new.mp4"])
    report(headway, new, status="completed")
    shown.until(lambda shown: titles(shown) == [])


def test_the_list_is_right_after_the_site_was_killed_and_started_again(
    two_sites: tuple[Server, Server, Valkey], listen: Listen
) -> None:
    watched, other, _ = two_sites
    done, going = create(other, agent="studio", title="done.mp4"), create(other, agent="studio", title="going.mp4")
    report(other, done, progress=10)
    shown = listen(watched.url, agentId="studio", list=True)
    shown.until(lambda shown: titles(shown) == ["going.mp4", "done.mp4"])
    watched.kill()
    shown.until(lambda shown: not shown["isConnected"])
    report(other, done, status="completed")
    report(other, going, progress=60)
    watched.start()
    last = shown.until(lambda shown: shown["isConnected"] and titles(shown) == ["going.mp4"])[-1]
    assert last["activeJobs"][0]["progress"] == 60
    report(other, going, progress=70)
    shown.until(lambda shown: shown["activeJobs"][0]["progress"] == 70)
