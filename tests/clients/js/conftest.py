"""What the tests of the JavaScript client share: a site to watch, and a way to watch it from Node."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TOKEN, Valkey, free_port, wait_until
from tests.node import PACKAGES, Node
from tests.serving import Server

HERE = Path(__file__).parent
STRICT = {
    "strict": True,
    "exactOptionalPropertyTypes": True,
    "noUncheckedIndexedAccess": True,
    "noEmit": True,
    "target": "es2022",
    "lib": ["es2022", "dom", "dom.iterable"],
    "jsx": "react-jsx",
    "types": ["node"],
}
Watch = Callable[..., Node]


@pytest.fixture(scope="module")
def headway() -> Iterator[Server]:
    """One Headway for the tests of a module that leave it running."""
    server = Server(free_port(), TOKEN)
    try:
        yield server.start()
        server.kill()  # an orderly end takes a second, and other tests look at that
    finally:
        server.close()


@pytest.fixture(scope="module")
def two_sites() -> Iterator[tuple[Server, Server, Valkey]]:
    """Two Headways on one store that keeps what it has over a restart: one to watch and to end, one to write by.

    Who ends one of the three starts it again.
    """
    store = Valkey("--appendonly", "yes", "--appendfsync", "always")
    sites = [Server(free_port(), TOKEN, {"REDIS_URL": store.url}) for _ in range(2)]
    try:
        store.start()
        yield sites[0].start(), sites[1].start(), store
        for site in sites:
            site.kill()
    finally:
        for site in sites:
            site.close()
        store.close()


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


def heard_from(listener: Node, tell: Callable[[], None]) -> None:
    """Call `tell` until the listener heard of it: nothing says when it has joined its room."""

    def heard() -> bool:
        tell()
        return listener.has_spoken()

    wait_until(heard, what="the first event")


def connected(watcher: Node) -> None:
    watcher.until(lambda said: said == ["onConnection", True])


def updates(said: list[Any]) -> list[dict[str, Any]]:
    """The updates among what a watcher said."""
    return [value for name, value in said if name == "onUpdate"]


def is_update(**fields: Any) -> Callable[[Any], bool]:
    """Holds for an update with these fields."""
    return lambda said: said[0] == "onUpdate" and fields.items() <= said[1].items()


def faults_of_types(folder: Path, files: dict[str, str], module: str = "esnext", resolution: str = "bundler") -> str:
    """What strict TypeScript finds wrong with files of a project that has the packages of tests/npm; '' for nothing."""
    (folder / "node_modules").symlink_to(PACKAGES / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}')
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    options = STRICT | {"module": module, "moduleResolution": resolution}
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": list(files)}))
    command = ["node", "node_modules/typescript/bin/tsc", "-p", "."]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60).stdout
