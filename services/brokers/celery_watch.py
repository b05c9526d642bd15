"""Which keys of a Redis changed, of beginnings that grow in number as queues are found."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from core.config.sentinels import Address
from services.brokers.tracking import Changes, Tracking

UNTOLD_EVERY_S = 2.0
"""How often everything counts as changed where the server does not tell."""
PATIENCE_S = 5.0
"""So long it takes at most to listen anew, which is not worth a word."""
_NOTHING = Changes(frozenset(), lost=False)
_EVERYTHING = Changes(frozenset(), lost=True)


class Watch:
    """Of one Redis, which the log calls `name`. `woken` is set as soon as something changed. `prefix` is what all keys begin with, which
    nobody who asks names."""

    def __init__(self, address: Address, name: str, woken: threading.Event, prefix: str = "") -> None:
        self._address = address
        self._prefix = prefix
        self._name = name
        self._woken = woken
        self._prefixes: tuple[str, ...] = ()
        self._tracking: Tracking | None = None
        self._asked = 0.0
        self._told = time.monotonic()

    def changes(self, prefixes: Iterable[str]) -> Changes:
        """What changed of keys that begin so; everything where that can't be told, now and then."""
        wanted = apart(prefixes)
        if self._tracking is None or wanted != self._prefixes:
            self.close()
            self._prefixes = wanted
            named = [self._prefix + each for each in wanted]
            self._tracking = Tracking(self._address, named, self._name, self._woken)
        changes = self._take(self._tracking)
        if self._tracking.why is not None:
            if not changes.lost and time.monotonic() - self._asked < UNTOLD_EVERY_S:
                return _NOTHING
            self._asked = time.monotonic()
            return _EVERYTHING
        self._told = time.monotonic()
        return changes

    def _take(self, tracking: Tracking) -> Changes:
        changes = tracking.take()
        if not self._prefix:
            return changes
        return Changes(frozenset(key.removeprefix(self._prefix.encode()) for key in changes.keys), changes.lost)

    @property
    def why(self) -> str | None:
        """Why changes are not told, where they were not for a while."""
        is_new = time.monotonic() - self._told < PATIENCE_S
        return self._tracking.why if self._tracking is not None and not is_new else None

    def close(self) -> None:
        if self._tracking is not None:
            self._tracking.close()
            self._tracking = None


def apart(prefixes: Iterable[str]) -> tuple[str, ...]:
    """The same keys by beginnings of which none begins with another, as Redis wants them."""
    kept: list[str] = []
    for prefix in sorted(set(prefixes)):
        if not (kept and prefix.startswith(kept[-1])):
            kept.append(prefix)
    return tuple(kept)
