"""What the tests of Socket.IO share: sites, and published clients of the documented kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TOKEN, free_port
from tests.node import Node
from tests.serving import Server
from tests.sockets.raw import Raw

READ = "a-read-token-for-tests"
INGEST = "an-ingest-token-for-tests"
Agent = Callable[..., Node]


@pytest.fixture(scope="session")
def open_site() -> Iterator[Server]:
    """A site with `HEADWAY_AUTH=off`."""
    yield from _site("", {"HEADWAY_AUTH": "off"})


@pytest.fixture(scope="session")
def closed_site() -> Iterator[Server]:
    """A site that asks for a token."""
    yield from _site(TOKEN, {"HEADWAY_READ_TOKEN": READ, "HEADWAY_INGEST_TOKEN": INGEST})


def _site(token: str, env: dict[str, str]) -> Iterator[Server]:
    site = Server(free_port(), token, env)
    try:
        yield site.start()
    finally:
        site.close()


@pytest.fixture
def agent(node: Callable[..., Node]) -> Agent:
    """The documented client: `agent(site, "studio", token=…, options={…})`; says `[what, …]` for each thing it hears."""

    def begin(site: Server | str, agent_id: str, **told: Any) -> Node:
        url = site if isinstance(site, str) else site.url
        return node(Path(__file__).parent / "agent.mjs", url, json.dumps({"agentId": agent_id} | told))

    return begin


@pytest.fixture
def raw() -> Iterator[Callable[..., Raw]]:
    """A websocket of the test's own a call: `raw(site, Origin="…")`."""
    begun: list[Raw] = []

    def begin(site: Server, *path: str, **options: Any) -> Raw:
        begun.append(Raw(site, *path, **options))
        return begun[-1]

    yield begin
    for one in begun:
        one.close()


def create(site: Server, agent_id: str, **fields: Any) -> int:
    """A new job; its number."""
    answer = site.post("/api/v1/queue", json={"agent": agent_id} | fields)
    assert answer.status == 201, answer.text
    return int(answer.json()["queue_id"])


def report(site: Server, number: int, **fields: Any) -> None:
    answer = site.put(f"/api/v1/queue/{number}", json=fields)
    assert answer.status == 200, answer.text


def hears(client: Node) -> None:
    """Wait until a client is subscribed: an answer to what it asks now comes after that."""
    client.until(lambda said: said[0] == "connect")
    client.say(["unsubscribe:agent", "nobody"])
    client.until(lambda said: said[0] == "ack")
