"""Connections to a user's Redis, and what their failures mean in words that name no address and no password."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ExecAbortError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool

from core.config.sentinels import Address, Sentinels
from core.logs import printable
from services.brokers.model import BrokerError, Unreached
from services.brokers.prefixed import Prefixed

TIMEOUT_S = 5.0
CONNECT_S = 3.0
SENTINEL_S = 0.5
"""A sentinel has its answer at hand. Where one is powered off the next has to be asked before whoever waits for all of it gives up."""
CONNECTIONS = 4
"""A follower asks one thing after the other; an action may come beside it."""
NAME = "headway"
_answered: dict[tuple[tuple[str, int], ...], tuple[str, int]] = {}
"""By all sentinels of an address the one that answered last in this process: each new client would wait anew for one that is away."""


class _Sentinel(Sentinel):
    """Asks first the one that answered last."""

    def __init__(self, address: Sentinels) -> None:
        self._hosts = address.hosts
        super().__init__(hosts_of(address), sentinel_kwargs=sentinel_options(address))  # type: ignore[no-untyped-call]

    def discover_master(self, service_name: str) -> tuple[str, int]:
        found: tuple[str, int] = super().discover_master(service_name)  # type: ignore[no-untyped-call]
        first = self.sentinels[0].connection_pool.connection_kwargs  # redis-py puts the one that answered there
        _answered[self._hosts] = first["host"], first["port"]
        return found


class _SentinelPool(SentinelConnectionPool, redis.BlockingConnectionPool):
    """Each of its connections is made to the master of that moment: when Sentinel makes another of it, all to the former one are cut."""


def redis_of(address: Address, prefix: str | None = None) -> redis.Redis:
    """A client of the Redis at `address`, which need not answer yet. It answers bytes, waits for an answer `TIMEOUT_S`
    at most, for a connection `CONNECT_S`, for each of its sentinels `SENTINEL_S`, and tries once more where its connection was closed
    while it lay idle. With a `prefix` it puts that before each key. Raises BrokerError where the address is none."""
    pool = _pool(address, CONNECTIONS)
    return Prefixed(pool, prefix) if prefix else redis.Redis(connection_pool=pool)


def connection_of(address: Address) -> Any:
    """A bare connection, connected, which speaks RESP2 and waits as its caller says. Raises BrokerError, redis.RedisError."""
    connection: Any = _pool(address, 1).make_connection()  # type: ignore[no-untyped-call]
    connection.connect()
    return connection


def hosts_of(address: Sentinels) -> list[tuple[str, int]]:
    """Its sentinels in the order in which to ask them: first the one that answered last in this process."""
    return sorted(address.hosts, key=lambda host: host != _answered.get(address.hosts))


def sentinel_options(address: Sentinels) -> dict[str, Any]:
    """How redis-py is to ask sentinels, each once: when one does not answer, another may."""
    return {
        "username": address.sentinel_username,
        "password": address.sentinel_password,
        "client_name": NAME,
        "socket_timeout": SENTINEL_S,
        "socket_connect_timeout": SENTINEL_S,
        "retry": Retry(NoBackoff(), 0),
    }


def _pool(address: Address, most: int) -> redis.BlockingConnectionPool:
    told: dict[str, Any]
    if isinstance(address, Sentinels):
        told = {"db": address.db, "username": address.username, "password": address.password}
        sentinel = _Sentinel(address)
        return _SentinelPool(address.master, sentinel, max_connections=most, timeout=TIMEOUT_S, **_settled(told))  # type: ignore[no-untyped-call]
    try:
        told = parse_url(address)  # type: ignore[no-untyped-call]
    except ValueError as fault:  # its text may hold the password
        raise BrokerError("its address is none of a Redis: it should look like redis://host:6379/0") from fault
    return redis.BlockingConnectionPool(max_connections=most, timeout=TIMEOUT_S, **_settled(told))  # type: ignore[no-untyped-call]


def _settled(told: dict[str, Any]) -> dict[str, Any]:
    """What an address tells, which may carry options of its own, and these it can't change."""
    told = told | {
        "protocol": 2,
        "decode_responses": False,
        "client_name": NAME,
        "socket_timeout": TIMEOUT_S,
        "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    }
    if "path" not in told:
        told |= {"socket_connect_timeout": CONNECT_S, "socket_keepalive": True}
    return told


@contextmanager
def asking() -> Iterator[None]:
    """What the user's Redis raises in this block is a BrokerError. Headway's own store raises the same: don't ask it in here."""
    try:
        yield
    except (redis.RedisError, OSError) as fault:
        raise BrokerError(why(fault)) from fault


@contextmanager
def reaching() -> Iterator[None]:
    """As `asking`, around what is asked before anything is done: what is raised is Unreached."""
    try:
        with asking():
            yield
    except BrokerError as fault:
        raise Unreached(str(fault)) from fault


def why(error: BaseException) -> str:
    """Why a broker can't be read, to go on behind "because"."""
    text = str(error).rpartition(" of pipeline caused error: ")[2].rpartition("discarded because of: ")[2]
    causes: tuple[tuple[bool, str], ...] = (
        (isinstance(error, BrokerError), text),
        (isinstance(error, MasterNotFoundError), _no_master(text)),
        (isinstance(error, RedisTimeoutError), f"its Redis did not answer within {TIMEOUT_S:g} s"),
        (
            isinstance(error, AuthenticationError) or text.startswith(("NOAUTH", "WRONGPASS")),
            "its Redis refused the user or the password of its url",
        ),
        (isinstance(error, BusyLoadingError), "its Redis is still loading its data"),
        (isinstance(error, OutOfMemoryError) or text.startswith("OOM"), "its Redis is out of memory (maxmemory)"),
        (isinstance(error, ReadOnlyError), "its Redis is a read-only replica"),
        (
            isinstance(error, NoPermissionError) or text.startswith("NOPERM"),
            "the user of its url may not do that: it needs the read commands on its keys, and to act the write commands and EXEC too",
        ),
        (isinstance(error, ExecAbortError), "its Redis refused a step of it, and so did none"),
        (text.startswith("WRONGTYPE"), "a key of its Redis holds another type than its engine gives it"),
        ("max number of clients" in text, "its Redis has no connection left"),
        ("No connection available" in text, "every connection to its Redis is busy"),
        (isinstance(error, ssl.SSLError) or "SSL" in text or "certificate" in text, "its TLS connection failed"),
        (isinstance(error, RedisConnectionError), "its Redis can't be reached"),
        (isinstance(error, OSError), "its broker can't be reached"),
        (isinstance(error, ResponseError), f"its Redis answered {printable(text.split(' ', 1)[0])}"),
    )
    return next((words for holds, words in causes if holds), f"it failed ({type(error).__name__})")


def _no_master(text: str) -> str:
    """What each of the sentinels answered stands behind the name that was sought."""
    if "AuthenticationError" in text:
        return "its sentinels refused the user or the password that is theirs (sentinel_password)"
    return "none of its sentinels says where its Redis is: they can't be reached, know none of that name, or none that is up"
