"""The connection to Redis or Valkey, and what its failures mean in words.

A request waits at most about two seconds for the store. Callers let redis-py's errors through: the border around a
request, a panel or a duty turns them into words with `explain`.
"""

from __future__ import annotations

import time

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    MaxConnectionsError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as StoreConnectionError
from redis.exceptions import TimeoutError as StoreTimeoutError
from redis.retry import Retry

from core import keys
from core.scripts import Scripts

StoreError = redis.RedisError

CONNECTIONS = 64
"""At most so many connections a process; a caller waits `PATIENCE_S` for a free one."""
PATIENCE_S = 1.0
TIMEOUT_S = 1.9


class StoreUnfit(Exception):
    """The site can't work on what the store holds; the text says why in one line."""


class PartitionsMismatch(StoreUnfit):
    """The store was begun with another number of partitions than is configured now."""


class HalfRestored(StoreUnfit):
    """A copy is being put back into the store, or that ended half way."""


class Store:
    """One store, of `partitions` partitions. `redis` answers text; `raw` answers bytes."""

    def __init__(self, url: str, partitions: int = 1) -> None:
        self.url = url
        self.partitions = partitions
        self.redis = _connect(url, decode_responses=True)
        self.raw = _connect(url, decode_responses=False)
        self.scripts = Scripts(self.raw)
        self.given = 0
        """The highest count of jobs' numbers that this process knows was given, by this store or by one in its place before."""

    def saw(self, count: int) -> None:
        self.given = max(self.given, count)

    def partition_of(self, agent: str) -> int:
        return keys.partition_of(agent, self.partitions)

    def settle_partitions(self) -> None:
        """Fix the number of partitions at the first start. Raises PartitionsMismatch later on, and HalfRestored."""
        if self.redis.exists(keys.RESTORING.at()):
            raise HalfRestored(
                "a back-up is being restored into this store, or that ended half way: wait for it, or restore it again"
            )
        key = keys.PARTITIONS.at()
        self.redis.set(key, self.partitions, nx=True)
        kept = int(str(self.redis.get(key) or self.partitions))
        if kept != self.partitions:
            raise PartitionsMismatch(
                f"HEADWAY_PARTITIONS ({self.partitions}) differs from the {kept} that this store was begun with, "
                f"for example HEADWAY_PARTITIONS={kept}"
            )

    def latency_ms(self) -> float:
        """One round trip, in milliseconds."""
        start = time.perf_counter()
        self.redis.ping()
        return (time.perf_counter() - start) * 1000

    def close(self) -> None:
        for client in (self.redis, self.raw):
            client.connection_pool.disconnect()


def reader(url: str, timeout_s: float) -> redis.Redis:
    """A connection of its own, answering bytes, for who waits in the store up to `timeout_s` for something to come."""
    return redis.Redis.from_url(
        url, socket_timeout=timeout_s, socket_connect_timeout=PATIENCE_S, retry=Retry(NoBackoff(), 0)
    )


def _connect(url: str, *, decode_responses: bool) -> redis.Redis:
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=PATIENCE_S,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=PATIENCE_S,
        health_check_interval=0,
        decode_responses=decode_responses,
        encoding_errors="replace" if decode_responses else "strict",
        # A connection that the store closed while it lay idle, or a replica that took over: once more, at once.
        retry=Retry(NoBackoff(), 1, supported_errors=(StoreConnectionError, ReadOnlyError)),
        retry_on_error=[ReadOnlyError],
    )
    return redis.Redis(connection_pool=pool)


def explain(error: Exception) -> str:
    """Why the store does not serve, in words that name no address and no password."""
    text = _said(error)
    causes: tuple[tuple[bool, str], ...] = (
        (isinstance(error, StoreTimeoutError), "the store did not answer in time"),
        (
            isinstance(error, AuthenticationError) or "NOAUTH" in text or "WRONGPASS" in text,
            "the store refused the password in REDIS_URL",
        ),
        (isinstance(error, BusyLoadingError), "the store is still loading its data"),
        (isinstance(error, OutOfMemoryError) or text.startswith("OOM"), "the store is out of memory (maxmemory)"),
        ("MISCONF" in text, "the store can't save to its disk and refuses writes (MISCONF)"),
        (isinstance(error, ReadOnlyError), "the store is a read-only replica"),
        ("max number of clients" in text or isinstance(error, MaxConnectionsError), "the store has no connection left"),
        ("No connection available" in text, "every connection to the store is busy"),
        (isinstance(error, StoreConnectionError), "the store can't be reached"),
        (isinstance(error, ResponseError), f"the store answered {text.split(' ', 1)[0]}"),
    )
    return next((words for holds, words in causes if holds), "the store failed")


def is_away(error: Exception) -> bool:
    """Whether the store does not serve for now, rather than refuse just this one thing."""
    return isinstance(error, StoreConnectionError | StoreTimeoutError) or refuses_writes(error)


def refuses_writes(error: Exception) -> bool:
    """Whether the store takes nothing new, for want of room or as a replica, while it still answers reads."""
    return full(error) or isinstance(error, ReadOnlyError)


def full(error: Exception) -> bool:
    """Whether the store refuses writes for want of room, while it still answers reads."""
    return isinstance(error, OutOfMemoryError) or _said(error).startswith(("OOM", "MISCONF"))


def _said(error: Exception) -> str:
    """What the store itself said; for a pipeline redis-py writes the command before it, with what users sent in it."""
    return str(error).rpartition(" of pipeline caused error: ")[2]


__all__ = [
    "HalfRestored",
    "PartitionsMismatch",
    "Store",
    "StoreError",
    "StoreUnfit",
    "explain",
    "full",
    "refuses_writes",
]
