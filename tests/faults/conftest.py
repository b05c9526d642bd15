"""A store of the test's own, the network before it, and a site that reaches it only through that."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import redis

from tests.conftest import TOKEN, Valkey, free_port, wait_until
from tests.proxy import Proxy
from tests.serving import Server


@dataclass
class Plant:
    """`admin` speaks to the store directly, past the network."""

    valkey: Valkey
    network: Proxy
    admin: redis.Redis


@contextlib.contextmanager
def planted(*options: str) -> Iterator[Plant]:
    valkey = Valkey(*options)
    with contextlib.ExitStack() as ending:
        ending.callback(valkey.close)
        valkey.start()
        network = ending.enter_context(contextlib.closing(Proxy(valkey.socket)))
        admin = ending.enter_context(redis.Redis(unix_socket_path=str(valkey.socket), decode_responses=True))
        yield Plant(valkey, network, admin)


@pytest.fixture(scope="module")
def common() -> Iterator[tuple[Plant, Server]]:
    with planted() as plant:
        site = Server(free_port(), TOKEN, {"REDIS_URL": plant.network.url})
        try:
            yield plant, site
            site.kill()
        finally:
            site.close()


@pytest.fixture
def plant(request: pytest.FixtureRequest) -> Iterator[Plant]:
    """The module's, emptied, where a test asks for its site too; else one of the test's own.

    `@pytest.mark.parametrize("plant", [("--dbfilename", "x")], indirect=True)` gives that store options.
    """
    if "site" not in request.fixturenames:
        with planted(*getattr(request, "param", ())) as own:
            yield own
        return
    one: Plant = request.getfixturevalue("common")[0]
    one.admin.flushall()
    yield one
    one.network.mend()
    one.network.drop()
    if not one.valkey.answers():
        one.valkey.stop()
        one.valkey.start()


@pytest.fixture
def site(plant: Plant, common: tuple[Plant, Server]) -> Server:
    """The module's site, which runs and has its store; its log holds what came before too."""
    one = common[1]
    if one.process is None or one.process.poll() is not None:
        one.start()
    wait_until(lambda: one.get("/readyz").status == 200, what="readiness")
    return one
