"""A store of the test's own, the network before it, and a site that reaches it only through that."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import redis

from tests.conftest import Valkey
from tests.proxy import Proxy
from tests.serving import Server


@dataclass
class Plant:
    """`admin` speaks to the store directly, past the network."""

    valkey: Valkey
    network: Proxy
    admin: redis.Redis


@pytest.fixture
def plant(request: pytest.FixtureRequest) -> Iterator[Plant]:
    """`@pytest.mark.parametrize("plant", [("--dbfilename", "x")], indirect=True)` gives the store options."""
    valkey = Valkey(*getattr(request, "param", ()))
    with contextlib.ExitStack() as ending:
        ending.callback(valkey.close)
        valkey.start()
        network = ending.enter_context(contextlib.closing(Proxy(valkey.socket)))
        admin = ending.enter_context(redis.Redis(unix_socket_path=str(valkey.socket), decode_responses=True))
        yield Plant(valkey, network, admin)


@pytest.fixture
def site(plant: Plant, server: Callable[..., Server]) -> Server:
    return server(env={"REDIS_URL": plant.network.url})
