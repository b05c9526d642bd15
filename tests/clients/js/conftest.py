"""What the tests of the JavaScript client share: a site to watch, and a way to watch it from Node."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TOKEN, Valkey, free_port
from tests.node import Node
from tests.serving import Server

HERE = Path(__file__).parent
Watch = Callable[..., Node]


@pytest.fixture(scope="module")
def headway() -> Iterator[Server]:
    """One Headway for the tests of a module that leave it running."""
    server = Server(free_port(), TOKEN)
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def two_sites(own_valkey: Callable[..., Valkey], server: Callable[..., Server]) -> tuple[Server, Server, Valkey]:
    """Two Headways on one store that keeps what it has over a restart: one to watch and to end, one to write by."""
    store = own_valkey("--appendonly", "yes", "--appendfsync", "always")
    env = {"REDIS_URL": store.url}
    return server(env), server(env), store


@pytest.fixture
def watch(node: Callable[..., Node]) -> Watch:
    """Follows a stream from Node: `watch(url, token=…, item=…)`; says `[callback, value]` for each that is called."""

    def begin(url: str, **options: Any) -> Node:
        return node(HERE / "watch.mjs", url, json.dumps(options))

    return begin


def create(site: Server, **fields: Any) -> int:
    """A new job; its number."""
    answer = site.post("/api/v1/queue", json=fields)
    assert answer.status == 201, answer.text
    return int(answer.json()["queue_id"])


def report(site: Server, number: int, **fields: Any) -> None:
    answer = site.put(f"/api/v1/queue/{number}", json=fields)
    assert answer.status == 200, answer.text


def connected(watcher: Node) -> None:
    watcher.until(lambda said: said == ["onConnection", True])


def updates(said: list[Any]) -> list[dict[str, Any]]:
    """The updates among what a watcher said."""
    return [value for name, value in said if name == "onUpdate"]


def is_update(**fields: Any) -> Callable[[Any], bool]:
    """Holds for an update with these fields."""
    return lambda said: said[0] == "onUpdate" and fields.items() <= said[1].items()
