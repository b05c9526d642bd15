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

from core.logs import printable
from services.brokers.model import BrokerError, Unreached

TIMEOUT_S = 5.0
CONNECT_S = 3.0
CONNECTIONS = 4
"""A follower asks one thing after the other; an action may come beside it."""
NAME = "headway"


def redis_of(url: str) -> redis.Redis:
    """A client of the Redis at `url`, which need not answer yet. It answers bytes, never waits for more than `TIMEOUT_S`, and
    tries once more where its connection was closed while it lay idle. Raises BrokerError where the address is none."""
    return redis.Redis(connection_pool=_pool(url, CONNECTIONS))


def connection_of(url: str) -> Any:
    """A bare connection, connected, which speaks RESP2 and waits as its caller says. Raises BrokerError, redis.RedisError."""
    connection: Any = _pool(url, 1).make_connection()  # type: ignore[no-untyped-call]
    connection.connect()
    return connection


def _pool(url: str, most: int) -> redis.BlockingConnectionPool:
    try:
        told: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call]
    except ValueError as fault:  # its text may hold the password
        raise BrokerError("its address is none of a Redis: it should look like redis://host:6379/0") from fault
    # An address may carry options of its own, and these it can't change.
    told |= {
        "protocol": 2,
        "decode_responses": False,
        "client_name": NAME,
        "socket_timeout": TIMEOUT_S,
        "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    }
    if "path" not in told:
        told |= {"socket_connect_timeout": CONNECT_S, "socket_keepalive": True}
    return redis.BlockingConnectionPool(max_connections=most, timeout=TIMEOUT_S, **told)  # type: ignore[no-untyped-call]


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
