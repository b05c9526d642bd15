"""The threads that read the event streams for the bus: one a partition, each on a connection of its own."""

from __future__ import annotations

import logging
import threading
from typing import Any

from core import keys, positions
from core.bus import KEPT, Bus
from core.event_log import Lost
from core.positions import Id
from core.store import StoreError, explain, reader

log = logging.getLogger("headway.bus")

AT_ONCE = 200
BLOCK_MS = 1000
LOOK_EVERY = 5
"""After so many quiet answers a stream is looked at: whether it is still the one that was read before."""
PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.5)
DEGRADED_AFTER_S = 1.0
"""A store that answers again sooner was never away, as far as clients are told."""


class Readers:
    def __init__(self, bus: Bus) -> None:
        self._ending = threading.Event()
        self._readers = [_Reader(bus, partition, self._ending) for partition in range(bus.log.partitions)]

    def start(self) -> None:
        for one in self._readers:
            threading.Thread(target=one.run, name=f"headway-bus-{one.partition}", daemon=True).start()

    def stop(self) -> None:
        """Pass nothing on from now. Waits for nobody: a thread ends with the store's next answer."""
        self._ending.set()


class _Reader:
    def __init__(self, bus: Bus, partition: int, ending: threading.Event) -> None:
        self.partition = partition
        self._bus, self._ending = bus, ending
        self._store = reader(bus.log.store.url, timeout_s=BLOCK_MS / 1000 + 2)
        self._key = keys.EVENTS.at(partition)
        self._at: Id | None = None
        self._failures = 0
        self._failing_since = 0.0
        self._must_look = True
        self._quiet = 0

    def run(self) -> None:
        while not self._ending.is_set():
            try:
                self._step()
            except StoreError as error:
                self._fail(error)
            except Exception:
                # The border of a background thread: what it can't pass on must not end the streams of all.
                log.exception("Events of partition %d can't be passed on", self.partition)
                self._ending.wait(PAUSES_S[-1])
        self._store.close()

    def _step(self) -> None:
        if self._at is None:
            self._begin()
        elif self._must_look:
            self._look()
        self._bus.recover(self.partition)
        self._failures, self._must_look = 0, False
        self._read()

    def _begin(self) -> None:
        entries, before, last = self._bus.log.tail(self.partition, KEPT // self._bus.log.partitions)
        self._bus.begin(self.partition, entries, before, last)
        self._at = last

    def _look(self) -> None:
        """A store that was away may have come back as another: emptied, or older than what was read of it."""
        before = self._bus.position
        assert self._at is not None and before is not None  # noqa: S101
        try:
            self._bus.log.check_partition(self.partition, self._at)
        except Lost:
            log.warning("Events were lost with the store: open streams get the present states")
            self._begin()
            self._bus.tell_gap(before)

    def _read(self) -> None:
        assert self._at is not None  # noqa: S101
        answer: Any = self._store.xread({self._key: positions.id_text(self._at)}, count=AT_ONCE, block=BLOCK_MS)
        if self._ending.is_set():
            return
        if not answer:
            self._quiet += 1
            self._must_look = self._quiet % LOOK_EVERY == 0
            return
        self._quiet = 0
        found = answer[0][1] if isinstance(answer, list) else next(iter(answer.values()))[0]
        self._at = positions.id_of(found[-1][0])
        self._bus.take(self.partition, self._bus.log.entries(self.partition, found), self._at)

    def _fail(self, error: StoreError) -> None:
        now = self._bus.clock()
        if not self._failures:
            self._failing_since = now
        self._failures += 1
        self._must_look = True
        if now - self._failing_since >= DEGRADED_AFTER_S:
            self._bus.fail(self.partition, explain(error), self._failing_since)
        self._ending.wait(PAUSES_S[min(self._failures, len(PAUSES_S)) - 1])
