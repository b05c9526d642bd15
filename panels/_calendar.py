"""How the calendar of failures is drawn and said: a cell a day, a column a week that begins on Monday."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from services.failure_days import FailureDay

LEVELS = 4
WEEK = 7
LEAST_BETWEEN = 3
"""A month's name stands so many weeks before the next one's, or not at all."""

Kind = Literal["none", "well", "bad"]
"""Nothing ended, nothing failed, something failed."""


@dataclass(frozen=True)
class Cell:
    """A day: `x` counts weeks, `y` weekdays from Monday on. `level` is its shade, 0 where nothing failed."""

    day: FailureDay
    x: int
    y: int
    kind: Kind
    level: int
    title: str
    query: str
    """Finds its failed jobs in the history."""


@dataclass(frozen=True)
class Month:
    x: int
    name: str


def cells(days: Sequence[FailureDay]) -> Iterator[Cell]:
    most = max((day.failed for day in days), default=0)
    offset = date.fromisoformat(days[0].date).weekday() if days else 0
    for at, day in enumerate(days):
        x, y = divmod(at + offset, WEEK)
        kind: Kind = "bad" if day.failed else "well" if day.ended else "none"
        yield Cell(day, x, y, kind, level(day.failed, most), title(day), query(day))


def months(days: Sequence[FailureDay]) -> list[Month]:
    """Each month's name over the first week in which it begins."""
    found = list[Month]()
    for cell in cells(days):
        when = date.fromisoformat(cell.day.date)
        if not found or when.day == 1:
            if found and cell.x - found[-1].x < LEAST_BETWEEN:
                found.pop()
            found.append(Month(cell.x, f"{when:%b}"))
    return found


def level(failed: int, most: int) -> int:
    """From 1 to LEVELS by the square root of the share of the worst day; 0 where none failed."""
    return math.ceil(LEVELS * math.sqrt(failed / most) - 1e-9) if failed else 0


def title(day: FailureDay) -> str:
    when = date.fromisoformat(day.date)
    name = f"{when:%A}, {when.day} {when:%b %Y}"
    if not day.ended:
        return f"{name}: no job ended"
    if not day.failed:
        return f"{name}: none of {day.ended:,} failed"
    return f"{name}: {day.failed:,} of {day.ended:,} failed, {day.rate:g} %"


def query(day: FailureDay) -> str:
    """Of the history's address."""
    after = date.fromisoformat(day.date) + timedelta(days=1)
    return f"?status=failed&from={day.date}T00:00:00Z&to={after}T00:00:00Z"
