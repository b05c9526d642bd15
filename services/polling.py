"""Asks what lies outside, over and over: each thing on its own interval, in a thread of its own, within its own time.

What hangs holds up nobody: past its time it is given up, and not begun again until it has ended. So there is never more than
a thread for each.
"""

from __future__ import annotations

import logging
import random
import threading
import time
import traceback
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any

from core.config import Seconds
from core.logs import printable
from core.outgoing import OutgoingError
from core.site import Site
from core.store import StoreError, explain
from services.tile_sources.reading import NotYet, SourceError

EVERY_S = 1.0
"""How often it is looked what is due: nothing is asked more often."""
SPREAD_S = 2.0
"""So long a process that begins to lead takes to ask for all of it the first time."""
JITTER = 0.05
"""By how much of an interval turns vary, so that those of one interval don't stay in step."""
LONGEST_PAUSE_S = 120.0
"""What keeps failing is asked ever less often, down to a quarter, but not less than that."""


class Polled(ABC):
    """One thing that is asked, and how its readings went. `name` is its own in the log, such as `tile users`."""

    backs_off = True
    """Whether it is asked less often while it keeps failing."""

    def __init__(self, name: str, every: Seconds, timeout: Seconds, log: logging.Logger) -> None:
        self._name = name
        self._every_s = float(every)
        self._timeout = timeout
        self._log = log
        self._failures = 0
        self._due = time.monotonic() + random.uniform(0, min(self._every_s, SPREAD_S))  # noqa: S311
        self._reading: Reading | None = None

    @abstractmethod
    def ask(self, site: Site) -> Any:
        """What it says now, in a thread of its own. Raises SourceError, NotYet, OutgoingError, StoreError."""

    @abstractmethod
    def note_answer(self, site: Site, answer: Any, took_s: float) -> None:
        """Raises StoreError."""

    @abstractmethod
    def note_failure(self, site: Site, why: str, took_s: float) -> None:
        """`why` goes on behind "because". Raises StoreError."""

    def tend(self, site: Site) -> None:
        """Begin a reading where one is due, give up one that takes too long."""
        now = time.monotonic()
        reading = self._reading
        if reading is None or not reading.is_alive():
            if now >= self._due:
                self._reading = Reading(self, site)
                self._reading.start()
        elif now > reading.began + self._timeout and reading.claim():
            self._failed(site, reading, f"its source did not answer within {self._timeout}")

    def read(self, site: Site, reading: Reading) -> None:
        """In a thread of its own: ask, and note what was said unless that came too late."""
        why: str | None = None
        answer: Any = None
        known = True
        try:
            answer = self.ask(site)
        except NotYet:
            known = False
        except (SourceError, OutgoingError) as fault:
            why = str(fault)
        except StoreError as fault:
            why = explain(fault)
        except Exception as fault:  # noqa: BLE001
            # The border around a source: whatever went wrong in one, the others go on. Its text may hold a password.
            why = f"reading it failed ({type(fault).__name__}), of which Headway's log says more"
            self._log.error("The %s: %s\n%s", self._name, why, "".join(traceback.format_tb(fault.__traceback__)))
        if not reading.claim() or not known:
            self._wait(reading)
        elif why is None:
            self._answered(site, reading, answer)
        else:
            self._failed(site, reading, why)

    def _answered(self, site: Site, reading: Reading, answer: Any) -> None:
        if self._failures:
            self._log.info("The %s is available again", self._name)
        self._failures = 0
        self._wait(reading)
        with suppress(StoreError):  # its being away is told everywhere
            self.note_answer(site, answer, reading.took_s)

    def _failed(self, site: Site, reading: Reading, why: str) -> None:
        why = printable(why)
        if not self._failures:
            self._log.warning("The %s is unavailable, because %s", self._name, why)
        self._failures += 1
        self._wait(reading)
        with suppress(StoreError):
            self.note_failure(site, why, reading.took_s)

    def _wait(self, reading: Reading) -> None:
        backs_off = min(max(self._failures - 1, 0), 2) if self.backs_off else 0
        pause_s = min(self._every_s * 2**backs_off, max(self._every_s, LONGEST_PAUSE_S))
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
