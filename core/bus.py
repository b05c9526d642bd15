"""The bus: every process takes in what the scripts append to the event streams, and passes it on in order.

What came lately is kept in memory, so that clients that come back find what they missed without asking the store.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from core import positions
from core.event_log import Decoders, Entry, EventLog
from core.metrics import STREAM_LAG
from core.positions import START, Id, Position
from core.store import Store

log = logging.getLogger("headway.bus")

KEPT = 4096
"""Entries in memory, of all partitions."""


class Listener(Protocol):
    """Who hears of everything, in order, in a reader's thread. Must neither raise nor take long."""

    def entries(self, entries: Sequence[Entry]) -> None: ...

    def gap(self, since: str, until: str) -> None:
        """What came between two positions is lost."""

    def degraded(self, reason: str, since: float) -> None:
        """The store is away since then, in seconds since the epoch."""

    def recovered(self, reason: str, since: float) -> None: ...


class Bus:
    """What one process knows of the event streams. `core.event_reader` feeds it, one reader a partition."""

    def __init__(self, store: Store, decoders: Decoders, clock: Callable[[], float] = time.time) -> None:
        self.log = EventLog(store, decoders)
        self.lock = threading.RLock()
        """Held while entries are taken in, so that who joins under it misses nothing and gets nothing twice."""
        self.serial = 0
        """How many entries were passed on."""
        self.clock = clock
        self._listeners: list[Listener] = []
        self._passing = threading.Lock()
        self._recent: deque[Entry] = deque()
        self._floor: list[Id | None] = [None] * store.partitions
        self._at: list[Id | None] = [None] * store.partitions
        self._first: list[Id | None] = [None] * store.partitions
        self._moved = threading.Condition(self.lock)
        self._away: dict[int, tuple[str, float]] = {}

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    @property
    def position(self) -> Position | None:
        """The last entry taken in of each partition; None until the store answered once."""
        at = tuple(one for one in self._at if one is not None)
        return at if len(at) == len(self._at) else None

    @property
    def floor(self) -> Position | None:
        """From where on everything is in memory; None until the store answered once."""
        floor = tuple(one for one in self._floor if one is not None)
        return floor if len(floor) == len(self._floor) else None

    def reaches(self, since: Position) -> bool:
        """Whether memory alone shows that all which came after a position is known, and was of this store."""
        here, floor = self.position, self.floor
        if here is None or floor is None or not covers(here, since) or not covers(since, floor):
            return False
        # Before the very first entry lies no position but the start: one that says so is of another store.
        return all(
            before != START or one == START or (first is not None and one >= first)
            for one, before, first in zip(since, floor, self._first, strict=True)
        )

    @property
    def away(self) -> tuple[str, float] | None:
        """Why and since when the store is away; None while it is there."""
        return next(iter(self._away.values()), None)

    def wait_for(self, wanted: Position | None, within_s: float) -> bool:
        """Wait until all up to `wanted` is taken in, or anything at all; False when it did not come in time."""
        until = time.monotonic() + within_s
        with self._moved:
            while (here := self.position) is None or (wanted is not None and not covers(here, wanted)):
                left_s = until - time.monotonic()
                if left_s <= 0:
                    return False
                self._moved.wait(left_s)
        return True

    def recent(self, since: Position) -> list[Entry] | None:
        """What was taken in after a position; None where memory does not reach back so far."""
        with self.lock:
            floor = self.floor
            if floor is None or not covers(since, floor):
                return None
            found = []
            for entry in reversed(self._recent):
                if entry.id > since[entry.partition]:
                    found.append(entry)
                elif covers(since, entry.at):
                    break
            return found[::-1]

    def begin(self, partition: int, entries: list[Entry], before: Id, last: Id) -> None:
        """Take up what came before this process began to read; nobody is told of it."""
        with self._moved:
            self._floor[partition], self._at[partition] = before, last
            self._first[partition] = entries[0].id if entries else None
            others = [entry for entry in self._recent if entry.partition != partition]
            self._recent = deque(sorted([*others, *entries], key=lambda entry: entry.id))
            at = [floor or START for floor in self._floor]
            for entry in self._recent:
                at[entry.partition] = entry.id
                entry.place(at)
                entry.memo.clear()  # it told where the entry stood before
            self._moved.notify_all()

    def take(self, partition: int, entries: list[Entry], last: Id) -> None:
        """Take in what was read, in order, and pass it on."""
        # One partition after the other: a position that names an event must not reach a client before that event.
        with self._passing:
            self._take(partition, entries, last)
            if entries:
                STREAM_LAG.set(max(0.0, self.clock() - entries[-1].ms / 1000))
                self._tell(lambda listener: listener.entries(entries))

    def _take(self, partition: int, entries: list[Entry], last: Id) -> None:
        with self._moved:
            for entry in entries:
                self._at[partition] = entry.id
                self.serial += 1
                entry.serial = self.serial
                entry.place(one or START for one in self._at)
            if entries and self._first[partition] is None:
                self._first[partition] = entries[0].id
            self._at[partition] = last
            self._recent.extend(entries)
            while len(self._recent) > KEPT:
                oldest = self._recent.popleft()
                self._floor[oldest.partition] = oldest.id
            self._moved.notify_all()

    def tell_gap(self, since: Position) -> None:
        """What came after `since` is lost up to where the bus stands now."""
        until = positions.text(self.position or ())
        self._tell(lambda listener: listener.gap(positions.text(since), until))

    def fail(self, partition: int, reason: str, since: float) -> None:
        """A partition does not answer since then."""
        told = self.away
        self._away[partition] = (reason, since)
        if told is None:
            self._tell(lambda listener: listener.degraded(reason, since))

    def recover(self, partition: int) -> None:
        """A partition answers."""
        gone = self._away.pop(partition, None)
        if gone is not None and not self._away:
            self._tell(lambda listener: listener.recovered(*gone))

    def _tell(self, call: Callable[[Listener], None]) -> None:
        for listener in self._listeners:
            try:
                call(listener)
            except Exception:
                # The border around each: what one can't take must not keep it from the others.
                log.exception("%s can't take what came", type(listener).__name__)


def covers(here: Position, wanted: Position) -> bool:
    """Whether who stands `here` has had all up to `wanted`."""
    return all(a >= b for a, b in zip(here, wanted, strict=True))
