"""What a reader of charts chose, and what that comes to at a moment: a span of time, the one to compare it with, an agent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlencode

from core.times import rfc3339
from services import windows
from services.windows import DAY_S, DEFAULT_RANGE, RANGES, Window

Compare = Literal["day", "week"]
BEFORE_S: dict[Compare, int] = {"day": DAY_S, "week": 7 * DAY_S}

SHARE = 60
"""A long span is read again when so small a part of its step has passed, or a minute."""
SELDOM_S = 300
PAST_S = 60.0
"""A span that is over is read again so often: jobs of the past can still be uploaded."""


@dataclass(frozen=True)
class View:
    """What a windowed panel's data is asked for."""

    window: Window
    compare: Compare | None = None
    agent: str | None = None
    """None for all of them."""

    @property
    def before(self) -> Window | None:
        """The span to compare with, of the same steps; None where the reader compares with none."""
        return self.window.earlier(BEFORE_S[self.compare]) if self.compare else None


@dataclass(frozen=True)
class Choice:
    """A range, which moves on with the time, or a span between two moments, which stays."""

    over: str | Window = DEFAULT_RANGE
    """The name of one of `RANGES`, or a span."""
    compare: Compare | None = None
    agent: str | None = None

    def view(self, now: float) -> View:
        window = windows.of_range(self.over, now) if isinstance(self.over, str) else self.over
        return View(window, self.compare, self.agent)

    def but(self, **changes: Any) -> Choice:
        return replace(self, **changes)

    @property
    def range(self) -> str | None:
        return self.over if isinstance(self.over, str) else None

    @property
    def usual(self) -> bool:
        """Whether it is one of the few that the board keeps for good and that are pushed."""
        return isinstance(self.over, str) and self.agent is None

    @property
    def mark(self) -> str:
        """Tells it from others in a part's name; empty for the choice of those who chose nothing."""
        if self == USUAL:
            return ""
        return "-".join(filter(None, (self.range, self.compare))) if self.usual else self.query

    @property
    def query(self) -> str:
        """What stands behind the question mark of an address."""
        return urlencode(self.fields, safe=":")

    @property
    def fields(self) -> list[tuple[str, str]]:
        """What that says, by name."""
        over = self.over
        span = (
            [("range", over)] if isinstance(over, str) else [("from", _moment(over.start)), ("to", _moment(over.end))]
        )
        return span + [(name, value) for name, value in (("compare", self.compare), ("agent", self.agent)) if value]

    @property
    def step_s(self) -> int:
        return RANGES[self.over].step_s if isinstance(self.over, str) else self.over.step_s

    def past(self, now: float) -> bool:
        """Whether nothing more happens in it; surely only a step after its end, since one up to now ends within this step."""
        return isinstance(self.over, Window) and self.over.end + self.over.step_s <= now

    def every(self, least_s: int) -> int:
        """Seconds between two polls: the longer a step, the less there is to see."""
        return max(least_s, min(self.step_s // 30, SELDOM_S))

    def fresh_s(self, now: float) -> float:
        """For how long a reading serves everybody; 0 where the board's usual time does."""
        if self.past(now):
            return PAST_S
        return min(self.step_s / SHARE, PAST_S) if self.step_s > SHARE else 0.0


def _moment(at: int) -> str:
    return rfc3339(at).replace(".000Z", "Z")


USUAL = Choice()
USUALS = tuple(Choice(name, compare) for name in RANGES for compare in (None, "day", "week"))
"""Whatever is chosen by links alone, for all agents."""
