"""The event streams as the store keeps them: read forward from a position, as far back as they reach."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from core import keys, positions
from core.positions import START, Id, Position
from core.store import Store

AT_ONCE = 500
TRIMMED_FROM = 100_000
"""The script trims a stream no shorter than this, so a shorter one has all that it ever had."""

Decoders = Mapping[str, Callable[[bytes], Any]]


@dataclass(slots=True, eq=False)
class Entry:
    """One event of the store. `memo` keeps what was made of it, once for all clients."""

    kind: str
    value: Any
    partition: int
    id: Id
    at: Position = ()
    """Where a stream stands after it."""
    position: str = ""
    """The same, as clients send it back."""
    serial: int = 0
    """Counts what this process passed on; rises by one each."""
    memo: dict[str, Any] = field(default_factory=dict)

    def place(self, at: Iterable[Id]) -> None:
        self.at = tuple(at)
        self.position = positions.text(self.at)

    @property
    def ms(self) -> int:
        """When the store took it, in milliseconds since the epoch."""
        return self.id[0]


class Lost(Exception):
    """What came after a position is no longer known."""


class EventLog:
    """`decoders` by the field that an entry stands in. Every call may raise StoreError."""

    def __init__(self, store: Store, decoders: Decoders) -> None:
        self.store = store
        self.partitions = store.partitions
        self._decoders = [(name.encode(), name, decode) for name, decode in decoders.items()]

    def entries(self, partition: int, found: Any) -> list[Entry]:
        """What the store answered, decoded. An entry that somebody else wrote is passed by: others are not affected."""
        entries = []
        for name, fields in found:
            for field_name, kind, decode in self._decoders:
                payload = fields.get(field_name)
                if payload is not None:
                    with suppress(ValueError):
                        entries.append(Entry(kind, decode(payload), partition, positions.id_of(name)))
        return entries

    def tail(self, partition: int, count: int) -> tuple[list[Entry], Id, Id]:
        """The last `count` entries, oldest first; the position before them, and after them."""
        found: Any = self.store.raw.xrevrange(keys.EVENTS.at(partition), count=count)
        if not found:
            return [], START, START
        before = START if len(found) < count else positions.id_of(found[-1][0])
        entries = self.entries(partition, found[::-1])
        return [entry for entry in entries if entry.id > before], before, positions.id_of(found[0][0])

    def check(self, since: Position) -> None:
        """Raises Lost where not all that came after a position is there."""
        for partition, one in enumerate(since):
            self.check_partition(partition, one)

    def between(self, since: Position, until: Position) -> Iterator[list[Entry]]:
        """What came after a position up to another, in order, in parts."""
        at = list(since)
        while any(here < end for here, end in zip(at, until, strict=True)):
            part, reached = list[Entry](), list(at)
            for partition, end in enumerate(until):
                if at[partition] < end:
                    entries, reached[partition] = self._range(partition, at[partition], end)
                    part += entries
            if part:
                yield placed(sorted(part, key=lambda entry: entry.id), at)
            at = reached

    def _range(self, partition: int, since: Id, end: Id) -> tuple[list[Entry], Id]:
        low, high = f"({positions.id_text(since)}", positions.id_text(end)
        found: Any = self.store.raw.xrange(keys.EVENTS.at(partition), low, high, count=AT_ONCE)
        reached = positions.id_of(found[-1][0]) if len(found) == AT_ONCE else end
        return self.entries(partition, found), reached

    def check_partition(self, partition: int, since: Id) -> None:
        """As `check`, for one partition."""
        with self.store.raw.pipeline(transaction=True) as pipeline:
            key = keys.EVENTS.at(partition)
            pipeline.xrange(key, count=1)
            pipeline.xrevrange(key, count=1)
            pipeline.xlen(key)
            first, last, length = pipeline.execute()
        if since == START:
            has_all = length < TRIMMED_FROM
        else:
            has_all = first and positions.id_of(first[0][0]) <= since <= positions.id_of(last[0][0])
        if not has_all:
            raise Lost


def placed(part: list[Entry], at: list[Id]) -> list[Entry]:
    """`part`, each entry with where a stream that stood `at` stands after it; moves `at` along."""
    for entry in part:
        at[entry.partition] = max(at[entry.partition], entry.id)
        entry.place(at)
    return part
