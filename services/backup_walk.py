"""The store, read key by key as records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import redis

from core import keys
from core.scripts import Scripts
from services import backup_keys
from services.backup_records import Entries, Group, Items, Pending, Record, Stream, Text

TIMEOUT_S = 60.0
KEYS_AT_ONCE = 500
BYTES_AT_ONCE = 4 << 20
MOST_WHOLE = 1000
"""Members of a hash, set, zset or list that are read in one go; of more, so many at a time."""
ENTRIES_AT_ONCE = 1000
PENDING_AT_ONCE = 1000


def records(client: redis.Redis) -> Iterator[Record]:
    """All that a copy holds. `client` answers bytes. Each key is of one moment where it is not long; all of them are,
    where nobody else writes. Raises redis.RedisError."""
    client = redis.Redis(connection_pool=client.connection_pool)
    for command in ("HSCAN", "SSCAN", "ZSCAN", "XRANGE"):  # as the server says it: nothing is lost on the way
        client.set_response_callback(command, _as_it_is)
    scripts = Scripts(client)
    cursor: Any = 0
    found: Any
    while True:
        cursor, found = client.scan(cursor, match=backup_keys.PATTERN, count=KEYS_AT_ONCE)
        wanted = [name for name in found if backup_keys.kept(name)]
        while wanted:
            done, *answer = scripts.run("copy", 0, {"members": MOST_WHOLE, "bytes": BYTES_AT_ONCE}, *wanted)
            yield from _read(client, answer)
            wanted = wanted[done:]
        if not cursor:
            return


def _read(client: redis.Redis, answer: list[Any]) -> Iterator[Record]:
    for name, kind, expires_at, value in zip(*[iter(answer)] * 4, strict=True):
        expires_ms = None if expires_at < 0 else int(expires_at)
        if kind == b"string":
            if value is not None:
                yield Text(name, expires_ms, value)
        elif kind == b"stream":
            yield from _stream(client, name, expires_ms)
        elif value is not None:
            yield Items(name, expires_ms, kind.decode(), True, value)
        else:
            yield from _pieces(client, name, expires_ms, kind.decode())


def _pieces(
    client: redis.Redis, name: bytes, expires_ms: int | None, kind: Literal["hash", "set", "zset", "list"]
) -> Iterator[Items]:
    first = True
    for items in _listed(client, name) if kind == "list" else _scanned(client, name, kind):
        yield Items(name, expires_ms, kind, first, items)
        first = False


def _listed(client: redis.Redis, name: bytes) -> Iterator[list[bytes]]:
    start = 0
    read: Any = client.lrange
    while found := read(name, start, start + MOST_WHOLE - 1):
        yield found
        start += MOST_WHOLE


def _scanned(client: redis.Redis, name: bytes, kind: str) -> Iterator[list[bytes]]:
    run: Any = client.execute_command
    command = {"hash": "HSCAN", "set": "SSCAN", "zset": "ZSCAN"}[kind]
    cursor: Any = 0
    while True:
        cursor, items = run(command, name, cursor, "COUNT", MOST_WHOLE)
        yield items
        if not int(cursor):
            return


def _stream(client: redis.Redis, name: bytes, expires_ms: int | None) -> Iterator[Record]:
    run: Any = client.execute_command
    last, first = b"-", True
    while True:
        entries = run("XRANGE", name, last, "+", "COUNT", ENTRIES_AT_ONCE)
        if first or entries:
            yield Entries(name, first, entries)
        if len(entries) < ENTRIES_AT_ONCE:
            break
        last, first = b"(" + entries[-1][0], False
    try:
        info: Any = client.xinfo_stream(name)
        groups: Any = client.xinfo_groups(name)
    except redis.ResponseError:  # it is gone meanwhile, where others write
        return
    yield Stream(
        name,
        expires_ms,
        info["last-generated-id"],
        info.get("entries-added"),  # not known to Redis 6.2, as those below
        info.get("max-deleted-entry-id"),
        [
            Group(
                one["name"],
                one["last-delivered-id"],
                one.get("entries-read"),
                list(_pending(client, name, one["name"])),
            )
            for one in groups
        ],
    )


def _pending(client: redis.Redis, name: bytes, group: bytes) -> Iterator[Pending]:
    since = "-"
    while True:
        found: Any = client.xpending_range(name, group, since, "+", PENDING_AT_ONCE)
        for one in found:
            yield Pending(one["message_id"], one["consumer"], one["time_since_delivered"], one["times_delivered"])
        if len(found) < PENDING_AT_ONCE:
            return
        since = "(" + found[-1]["message_id"].decode()


def _as_it_is(answer: Any, **_: Any) -> Any:
    return answer


def reported(client: redis.Redis, partitions: int) -> bool:
    """Whether anything was ever reported to this store. Raises redis.RedisError."""
    names = [key.at(partition) for key in backup_keys.REPORTED for partition in range(partitions)]
    return any(client.exists(*names[at : at + KEYS_AT_ONCE]) for at in range(0, len(names), KEYS_AT_ONCE))


def partitions(client: redis.Redis) -> int:
    """How many partitions the store was begun with; 1 where it does not say. Raises redis.RedisError."""
    found: Any = client.get(keys.PARTITIONS.at())
    return int(found) if found and found.isdigit() else 1


def restoring(client: redis.Redis) -> bool:
    """Whether a copy is being put back, or that ended half way. Raises redis.RedisError."""
    return bool(client.exists(keys.RESTORING.at()))


def serving(client: redis.Redis) -> int:
    """How many processes of a running site there are. Raises redis.RedisError."""
    heard: Any = client.zrange(keys.PROCESSES.at(), 0, -1)
    return sum(int(client.exists(keys.PROCESS.at(0, name.decode()))) for name in heard)
