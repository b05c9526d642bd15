"""Where marks stand in the charts that the server draws, in percent of their width."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from services.marks_service import Kind, Mark


@dataclass(frozen=True)
class Placed:
    """A mark in a drawing; `lasts` is how wide the band of an alert is, None of what has none."""

    kind: Kind
    x: float
    lasts: float | None


def placed(marks: Sequence[Mark], times: Sequence[float], kind: Literal["line", "bars"]) -> list[Placed]:
    """The marks of a chart whose steps begin at `times`, in seconds since the epoch. What began before is at its left edge."""
    if len(times) < 2:
        return []
    return [_placed(mark, times, bars=kind == "bars") for mark in marks]


def _placed(mark: Mark, times: Sequence[float], *, bars: bool) -> Placed:
    x = _percent(mark.at, times, bars=bars)
    if mark.kind != "alert":
        return Placed(mark.kind, x, None)
    end = 100.0 if mark.until is None else _percent(mark.until, times, bars=bars)
    return Placed(mark.kind, x, round(max(end - x, 0.0), 2))


def _percent(moment: float, times: Sequence[float], *, bars: bool) -> float:
    """Bars take the whole of their steps; a line ends where its last step begins."""
    at = max(bisect_right(times, moment) - 1, 0)
    end = times[at + 1] if at + 1 < len(times) else 2 * times[-1] - times[-2]
    place = at + (moment - times[at]) / (end - times[at])
    return round(min(max(100 * place / (len(times) - (0 if bars else 1)), 0.0), 100.0), 2)
