"""Asks the sources of declared tiles for their values: each on its own interval, in a thread of its own, within its own time.

What hangs holds up nobody: past its time it is given up, and not begun again until it has ended. So there is never more than
a thread a tile.
"""

from __future__ import annotations

import logging
import random
import threading
import time
import traceback
from contextlib import suppress
from typing import Any

from core.config import Tile
from core.config.sources import Push
from core.logs import printable
from core.site import Site
from core.store import StoreError, explain
from services import tile_sources, tiles_service
from services.tile_model import Number
from services.tile_sources import Context, NotYet, SourceError

log = logging.getLogger("headway.tiles")

EVERY_S = 1.0
"""How often it is looked which tile is due: none is asked more often."""
SPREAD_S = 2.0
"""So long a process that begins to lead takes to ask all of them for the first time."""
JITTER = 0.05
"""By how much of an interval its turns vary, so that tiles of one interval don't stay in step."""
LONGEST_PAUSE_S = 120.0
"""A source that keeps failing is asked ever less often, down to a quarter, but not less than that."""


class TilePoller:
    """The duty `tiles` of one process."""

    def __init__(self) -> None:
        self._polled: dict[str, Polled] = {}

    def run(self, site: Site) -> None:
        """Begin what is due, give up what takes too long. Takes no time of its own, and raises nothing of the store's."""
        for tile in tiles_service.declared(site):
            if not isinstance(tile.source, Push):
                polled = self._polled.get(tile.id) or self._polled.setdefault(tile.id, Polled(tile))
                polled.tend(site)


class Polled:
    """One tile, and how its readings went."""

    def __init__(self, tile: Tile) -> None:
        self._tile = tile
        self._before: dict[str, Any] = {}
        self._failures = 0
        self._due = time.monotonic() + random.uniform(0, min(float(tile.every), SPREAD_S))  # noqa: S311
        self._reading: Reading | None = None

    def tend(self, site: Site) -> None:
        """Begin a reading where one is due, give up one that takes too long."""
        now = time.monotonic()
        reading = self._reading
        if reading is None or not reading.is_alive():
            if now >= self._due:
                self._reading = Reading(self, site)
                self._reading.start()
        elif now > reading.began + self._tile.timeout and reading.claim():
            self._failed(site, reading, f"its source did not answer within {self._tile.timeout}")

    def read(self, site: Site, reading: Reading) -> None:
        """In a thread of its own: ask the source, and note what it said unless that came too late."""
        why: str | None = None
        value: Number | None = None
        known = True
        try:
            value = tile_sources.read(self._tile.source, Context(site, float(self._tile.timeout), self._before))
        except NotYet:
            known = False
        except SourceError as fault:
            why = str(fault)
        except StoreError as fault:
            why = explain(fault)
        except Exception as fault:  # noqa: BLE001
            # The border around a source: whatever went wrong in one, the others go on. Its text may hold a password.
            why = f"reading it failed ({type(fault).__name__}), of which Headway's log says more"
            log.error("The tile %s: %s\n%s", self._tile.id, why, "".join(traceback.format_tb(fault.__traceback__)))
        if not reading.claim() or not known:
            self._wait(reading)
        elif why is None:
            self._answered(site, reading, value)
        else:
            self._failed(site, reading, why)

    def _answered(self, site: Site, reading: Reading, value: Number | None) -> None:
        if self._failures:
            log.info("The tile %s is available again", self._tile.id)
        self._failures = 0
        self._wait(reading)
        with suppress(StoreError):  # its being away is told everywhere
            tiles_service.note_value(site, self._tile.id, value, reading.took_s)

    def _failed(self, site: Site, reading: Reading, why: str) -> None:
        why = printable(why)
        if not self._failures:
            log.warning("The tile %s is unavailable, because %s", self._tile.id, why)
        self._failures += 1
        self._wait(reading)
        with suppress(StoreError):
            tiles_service.note_failure(site, self._tile.id, why, reading.took_s)

    def _wait(self, reading: Reading) -> None:
        every = float(self._tile.every)
        pause_s = min(every * 2 ** min(max(self._failures - 1, 0), 2), max(every, LONGEST_PAUSE_S))
        self._due = reading.began + pause_s * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311


class Reading(threading.Thread):
    """A reading under way."""

    def __init__(self, polled: Polled, site: Site) -> None:
        super().__init__(target=polled.read, args=(site, self), name="headway-tile", daemon=True)
        self.began = time.monotonic()
        self._claimed = threading.Lock()

    @property
    def took_s(self) -> float:
        return round(time.monotonic() - self.began, 3)

    def claim(self) -> bool:
        """Whether the caller says how it ended: the reading itself, or who gave it up, whichever comes first."""
        return self._claimed.acquire(blocking=False)
