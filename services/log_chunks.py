"""Chunks of log lines as they stand in the store, walked newest first, in handfuls of about a megabyte at most."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from core import keys, positions
from core.store import Store
from services import log_model
from services.log_model import Chunk, Head, LogLine

FIRST, MOST = 8, 512
"""Chunks a handful: it grows as long as they are small."""
MOST_BYTES = 1_000_000
HEADS = 1_000
MOST_LINES = 8_000
"""Lines of the chunks that are fetched at once."""

Wanted = Callable[[Head], bool]


@dataclass(slots=True)
class Found:
    """A chunk that was looked at; without fields where it was not fetched, since its head ruled it out."""

    ms: int
    seq: int
    head: Head
    fields: dict[bytes, bytes] | None

    def chunk(self) -> Chunk | None:
        """Raises ValueError where it is damaged."""
        if self.fields is None:
            return None
        field = next((name for name in (b"z", b"d") if name in self.fields), b"d")
        return Chunk(self.ms, self.seq, self.head, field, self.fields.get(field, b""))

    def lines(self) -> list[LogLine]:
        """All of them, oldest first; none where it was not fetched or is damaged."""
        try:
            chunk = self.chunk()
            return [chunk.line(place, message) for place, message in enumerate(chunk.messages())] if chunk else []
        except ValueError:
            return []


@dataclass(slots=True)
class Reference:
    """An entry of the index: a chunk's head, and the source under which it stands."""

    ms: int
    seq: int
    head: Head
    under: str

    @property
    def id(self) -> str:
        return f"{self.ms}-{self.seq}"


def of_source(store: Store, source: str, newest: str, oldest: str, wanted: Wanted) -> Iterator[list[Found]]:
    """The chunks of one source; of one that found no room of its own, among those of `other`. Raises redis.RedisError."""
    if not store.redis.exists(keys.LOGS.at(0, source)):
        source = "other"
    count = FIRST
    while entries := _range(store, source, newest, oldest, count):
        found = list[Found]()
        for name, fields in entries:
            with suppress(ValueError):
                head = log_model.head(fields.get(b"h", b""))
                found.append(Found(*positions.id_of(name), head, fields if wanted(head) else None))
        yield found
        if len(entries) < count:
            return
        newest = f"({entries[-1][0].decode()}"
        size = sum(len(value) for _, fields in entries for value in fields.values())
        count = max(1, min(count * 2, MOST, count * MOST_BYTES // max(size, 1)))


def of_all(store: Store, newest: str, oldest: str, wanted: Wanted) -> Iterator[list[Found]]:
    """The chunks of all sources, by way of the index. Raises redis.RedisError."""
    count = FIRST
    while entries := _index(store, newest, oldest, count):
        references = [one for entry in entries if (one := reference(*entry)) is not None]
        for part in _parts(references, wanted):
            fetched = fetch(store, [one for one in part if wanted(one.head)], within=part)
            yield [Found(one.ms, one.seq, one.head, fetched.get(one.id)) for one in part]
        if len(entries) < count:
            return
        newest = f"({entries[-1][0].decode()}"
        count = min(count * 4, HEADS)


def reference(name: bytes, fields: dict[bytes, bytes]) -> Reference | None:
    """An entry of the index; None where somebody else wrote it."""
    try:
        return Reference(*positions.id_of(name), log_model.head(fields[b"h"]), fields[b"s"].decode())
    except (ValueError, KeyError):
        return None


def fetch(store: Store, wanted: Sequence[Reference], within: Sequence[Reference] = ()) -> dict[str, dict[bytes, bytes]]:
    """The chunks' fields by id, in one round trip. What is wanted of a source comes as one range where that holds nothing
    else of `within`. Raises redis.RedisError."""
    by_source: dict[str, list[Reference]] = {}
    for one in wanted:
        by_source.setdefault(one.under, []).append(one)
    with store.raw.pipeline(transaction=False) as pipeline:
        for source, some in by_source.items():
            key = keys.LOGS.at(0, source)
            if len(some) == sum(one.under == source for one in within):
                pipeline.xrevrange(key, some[0].id, some[-1].id)
            else:
                for one in some:
                    pipeline.xrange(key, one.id, one.id)
        answers = pipeline.execute()
    return {name.decode(): fields for entries in answers for name, fields in entries}


def _parts(references: Sequence[Reference], wanted: Wanted) -> Iterator[list[Reference]]:
    """Cut so that no part has more lines to fetch than MOST_LINES."""
    part, lines = list[Reference](), 0
    for one in references:
        part.append(one)
        lines += one.head.count if wanted(one.head) else 0
        if lines >= MOST_LINES:
            yield part
            part, lines = [], 0
    if part:
        yield part


def _range(store: Store, source: str, newest: str, oldest: str, count: int) -> Any:
    return store.raw.xrevrange(keys.LOGS.at(0, source), newest, oldest, count=count)


def _index(store: Store, newest: str, oldest: str, count: int) -> Any:
    return store.raw.xrevrange(keys.LOG_INDEX.at(), newest, oldest, count=count)
