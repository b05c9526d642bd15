"""One moment of a store that goes on being written to.

The server makes a snapshot as for a replica; a server of our own loads it, to be read at leisure. Where it gives none (many
managed ones) or ours can't read it (a newer version's), the store itself is walked, and what is read is not of one moment.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from core.embedded import OPTIONS, Embedded, StoreFailed
from core.store import StoreError, explain, reader

TIMEOUT_S = 60.0
"""Without a byte: a server that is saving sends an empty line every 10 s."""
PIECE = 1 << 20
MOST_LINE = 1000
SNAPSHOT = "snapshot.rdb"
LOADING = {
    **OPTIONS,
    "appendonly": "no",
    "dbfilename": SNAPSHOT,
    "databases": "1024",
    "rdb-version-check": "relaxed",
    "maxmemory": "0",
}


class NoSnapshot(Exception):
    """Why there is none, in words."""


class CopyLost(Exception):
    """The snapshot was lost while it was read."""


@dataclass(frozen=True)
class Moment:
    """Where to read, and what the store itself calls itself. `torn` says why it is not of one moment, None where it is."""

    client: redis.Redis
    server: str
    torn: str | None


@contextmanager
def moment(url: str, folder: Path) -> Iterator[Moment]:
    """The store at `url`, as it is now; `folder` gets what has to be kept meanwhile. Call it from the main thread.

    Raises redis.RedisError, CopyLost at the end, and OSError where the folder has no room.
    """
    source = reader(url, TIMEOUT_S)
    copy = Embedded(folder, lambda _: None, LOADING)
    try:
        server, torn = _name(source), _loaded(source, copy)
        if torn is None:
            database = source.connection_pool.connection_kwargs.get("db") or 0
            with reader(f"{copy.url}?db={database}", TIMEOUT_S) as client:
                began = _run(client)
                yield Moment(client, server, None)
                if _run(client) != began:
                    raise CopyLost("the snapshot's own server was ended while it was read: is there memory for it?")
        else:
            yield Moment(source, server, torn)
    finally:
        source.close()
        copy.stop()


@contextmanager
def as_it_is(url: str) -> Iterator[Moment]:
    """A store that nobody else writes to. Raises redis.RedisError."""
    with reader(url, TIMEOUT_S) as client:
        yield Moment(client, _name(client), None)


def _loaded(source: redis.Redis, copy: Embedded) -> str | None:
    file = copy.folder / SNAPSHOT
    try:
        _fetch(source, file)
        copy.start()
    except NoSnapshot as why:
        return str(why)
    except StoreFailed as why:
        return f"its snapshot can't be read here: {why}"
    finally:
        file.unlink(missing_ok=True)
    _first_to_go(copy)
    return None


def _fetch(source: redis.Redis, file: Path) -> None:
    """Write the server's snapshot to `file`. Raises NoSnapshot, OSError."""
    try:
        connection: Any = source.connection_pool.get_connection()
    except StoreError as error:
        raise NoSnapshot(explain(error)) from error
    try:
        # Straight from its memory, not by way of its disk; and it need not keep for us what is written meanwhile.
        for told in (("capa", "eof"), ("rdb-only", "1")):
            connection.send_command("REPLCONF", *told)
            with contextlib.suppress(redis.ResponseError):  # of servers before Redis 7
                connection.read_response()
        connection.send_command("SYNC")
        stream = connection._sock  # what comes now is no reply that redis-py could read
        pieces = _announced(stream)
        with file.open("wb") as out:
            out.writelines(pieces)
    except StoreError as error:
        raise NoSnapshot(explain(error)) from error
    finally:
        connection.disconnect()
        source.connection_pool.release(connection)


def _announced(stream: Any) -> Iterator[bytes]:
    """The snapshot, once the server has said what is to come; it sends empty lines until then."""
    line = b""
    while not line:
        while not line.endswith(b"\n") and len(line) < MOST_LINE:
            line += _received(stream, 1)
        line = line.strip()
    if line.startswith(b"$EOF:"):
        return _until(stream, line.removeprefix(b"$EOF:"))
    if line.startswith(b"$") and line[1:].isdigit():
        return _of_length(stream, int(line[1:]))
    said = line.lstrip(b"-").decode(errors="replace")
    raise NoSnapshot(f"the store gives no snapshot: {said[:200]}")


def _of_length(stream: Any, left: int) -> Iterator[bytes]:
    while left:
        piece = _received(stream, min(left, PIECE))
        left -= len(piece)
        yield piece


def _until(stream: Any, mark: bytes) -> Iterator[bytes]:
    """A snapshot that ends with `mark`, without it."""
    held = b""
    while not held.endswith(mark):
        yield held[: -len(mark)]
        held = held[-len(mark) :] + _received(stream, PIECE)
    yield held[: -len(mark)]


def _received(stream: Any, most: int) -> bytes:
    try:
        found: bytes = stream.recv(most)
    except OSError as error:
        raise NoSnapshot(f"the store's snapshot did not come whole: {error}") from error
    if not found:
        raise NoSnapshot("the store's snapshot did not come whole: it closed the connection")
    return found


def _name(client: redis.Redis) -> str:
    """What a server calls itself, such as `valkey 9.1.2`."""
    info: Any = client.info("server")
    name = info.get("server_name", "redis")
    return f"{name} {info.get(f'{name}_version') or info.get('redis_version', '')}".strip()


def _run(client: redis.Redis) -> str:
    """Another one after each start: a server that was started again would be empty, and seem to have been so all along."""
    info: Any = client.info("server")
    return str(info["run_id"])


def _first_to_go(copy: Embedded) -> None:
    """Where memory gets short, the kernel shall end the copy and not the site."""
    if copy.process:
        with contextlib.suppress(OSError):
            Path(f"/proc/{copy.process.pid}/oom_score_adj").write_text("1000")
