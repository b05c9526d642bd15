"""Since when alerts are checked, and when they were not: what nobody heard while nobody could is no silence."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from services.alert_life import AWAY_S

KEPT_S = 8 * 86_400.0
MOST_GAPS = 100


class Watch(Struct, frozen=True):
    """Moments are seconds since the epoch."""

    began: float
    checked: float
    gaps: tuple[tuple[float, float], ...] = ()
    """From when to when nobody checked, oldest first: the store was away, or Headway was."""

    def looked(self, now: float) -> Watch:
        """The same after a look at `now`."""
        gaps = self.gaps
        if now - self.checked > AWAY_S:
            gaps = (*gaps, (self.checked, now))
        gaps = tuple(gap for gap in gaps if gap[1] > now - KEPT_S)[-MOST_GAPS:]
        return Watch(min(self.began, now), now, gaps)

    def since(self, span_s: float) -> float | None:
        """From when on somebody watched for `span_s` up to the last look, gaps left out; None where that is not yet so."""
        at, left = self.checked, span_s
        for begin, end in reversed(self.gaps):
            if at - end >= left:
                break
            left -= max(at - end, 0.0)
            at = min(begin, at)
        at -= left
        return at if at >= self.began else None


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Watch).decode


def read(text: str | bytes | None, now: float) -> Watch:
    """What is kept; one that begins now where nothing is, or nothing that can be read."""
    try:
        return decode(text) if text else Watch(now, now)
    except msgspec.DecodeError:
        return Watch(now, now)
