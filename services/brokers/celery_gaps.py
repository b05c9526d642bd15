"""When nobody listened to a Celery's events: what began and ended then left no trace that can be found without walking through all keys."""

from __future__ import annotations

from datetime import UTC, datetime

from services.brokers.model import Snapshot

KEPT_S = 6 * 3600
MOST = 20
SHOWN = 3


class Gaps:
    """Goes on from the last snapshot of whoever followed before, which tells until when."""

    def __init__(self, former: Snapshot | None) -> None:
        self.heard_ms = former.heard_ms if former is not None else None
        """Until when everything that was heard was taken in; None where nobody ever listened."""
        self.missed = former.missed if former is not None else ()
        """From when to when nobody listened, oldest first."""
        self._is_heard = False

    def heard(self, since_ms: int, until_ms: int) -> None:
        """Events are heard since then, and were taken in until then."""
        if not self._is_heard and self.heard_ms is not None and since_ms > self.heard_ms:
            self.missed = (*self.missed, (self.heard_ms, since_ms))[-MOST:]
        self._is_heard, self.heard_ms = True, until_ms
        self.missed = tuple(gap for gap in self.missed if gap[1] > until_ms - KEPT_S * 1000)

    def notes(self, now_ms: int) -> tuple[str, ...]:
        if not self.missed:
            return ()
        shown = [f"from {_time(begin, now_ms)} to {_time(end, now_ms)}" for begin, end in self.missed[-SHOWN:]]
        more = len(self.missed) - len(shown)
        times = ", ".join(shown) + (f" and {more} times before" if more > 1 else " and once before" if more else "")
        return (f"Not followed {times} (UTC): tasks that began and ended then are not known",)


def _time(at_ms: int, now_ms: int) -> str:
    at, now = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (at_ms, now_ms))
    return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M:%S}"
