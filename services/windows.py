"""Spans of time that charts show: up to now, or between two moments, in steps that divide evenly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.fields import FieldError

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
KEPT_S = 90 * DAY_S
"""How far back the store's own history reaches."""
LONGEST_S = 3 * 365 * DAY_S
"""How far back a span may reach where Prometheus tells of it."""
MOST_STEPS = 200
STEPS_S = (
    10,
    30,
    MINUTE_S,
    5 * MINUTE_S,
    15 * MINUTE_S,
    HOUR_S,
    4 * HOUR_S,
    12 * HOUR_S,
    DAY_S,
    2 * DAY_S,
    7 * DAY_S,
)
"""What a step of a chosen span may last; each is a multiple of the one before or of one that is."""


@dataclass(frozen=True)
class Range:
    """A span of time up to now, by name."""

    name: str
    step_s: int
    steps: int


RANGES = {
    each.name: each
    for each in (
        Range("15m", 60, 15),
        Range("1h", 60, 60),
        Range("6h", 300, 72),
        Range("24h", 900, 96),
        Range("7d", HOUR_S, 168),
        Range("30d", 4 * HOUR_S, 180),
    )
}
DEFAULT_RANGE = "1h"


@dataclass(frozen=True)
class Window:
    """`steps` steps of `step_s` seconds each, the first of which begins `start` seconds after the epoch (a multiple of `step_s`)."""

    start: int
    step_s: int
    steps: int
    range: str | None = None
    """The name of the range that it is, None where its reader chose it from moment to moment."""

    @property
    def end(self) -> int:
        """When the last step ends; for a range that is up to one step after now."""
        return self.start + self.step_s * self.steps

    @property
    def starts(self) -> Sequence[int]:
        """When each step begins."""
        return range(self.start, self.end, self.step_s)

    def earlier(self, by_s: int) -> Window:
        """The same span so long before."""
        return replace(self, start=self.start - by_s)


def of_range(name: str, now: float) -> Window:
    """The last steps up to and with the present one. Raises KeyError for a name that is not among `RANGES`."""
    span = RANGES[name]
    return Window((int(now // span.step_s) - span.steps + 1) * span.step_s, span.step_s, span.steps, name)


def of_span(since: float, until: float, now: float, kept_s: int = KEPT_S) -> Window:
    """A span between two moments in seconds since the epoch, widened to whole steps, of which there are at most MOST_STEPS.

    `kept_s` is how far back history reaches, at most LONGEST_S. Raises FieldError where it ends before it begins, lies in the
    future, or began before history does.
    """
    if not since < until:
        raise FieldError("from", "should be before to")
    if since >= now:
        raise FieldError("from", "should not be in the future")
    if since < now - kept_s - DAY_S:
        raise FieldError("from", f"should be within the last {kept_s // DAY_S} days")
    until = min(until, now)
    step_s = next(step for step in STEPS_S if -(-until // step) - since // step <= MOST_STEPS)
    first, last = int(since // step_s), int(-(-until // step_s))
    return Window(first * step_s, step_s, max(last - first, 1))
