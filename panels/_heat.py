"""How the heat map of durations is drawn and said: a cell for each time and class of durations in which jobs ended."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from panels._words import span
from services.heat_service import Column, DurationClass, Heat, counted_from_ms

LEVELS = 6
"""Shades: a cell's is by the square root of its share of the fullest, so that few jobs beside many are still seen."""


@dataclass(frozen=True)
class Cell:
    """`x` and `y` count columns and rows from the upper left; the longest durations are above."""

    x: int
    y: int
    level: int
    ended: int
    title: str
    query: str
    """Finds its jobs in the history."""


@dataclass(frozen=True)
class Shade:
    """What a shade stands for: from `low` to `high` jobs."""

    level: int
    low: int
    high: int


def cells(heat: Heat, agent: str | None = None) -> Iterator[Cell]:
    columns, classes, most = heat.columns, heat.classes, heat.most
    for x, column in enumerate(columns):
        for at, ended in enumerate(column.ended):
            if ended:
                jobs = f"{ended:,} job{'' if ended == 1 else 's'}"
                title = f"{jobs}, {says(classes[at])}, {between(column)}"
                y = len(classes) - 1 - at
                yield Cell(x, y, level(ended, most), ended, title, query(column, classes[at], agent))


def shades(most: int) -> list[Shade]:
    """Those that stand for any number."""
    found = list[Shade]()
    for ended in range(1, min(most, LEVELS * LEVELS) + 1) if most <= LEVELS * LEVELS else ():
        at = level(ended, most)
        low = found.pop().low if found and found[-1].level == at else ended
        found.append(Shade(at, low, ended))
    if found:
        return found
    bounds = [math.floor(most * (at / LEVELS) ** 2) for at in range(LEVELS + 1)]
    return [Shade(at, bounds[at - 1] + 1, bounds[at]) for at in range(1, LEVELS + 1) if most]


def level(ended: int, most: int) -> int:
    """From 1 to LEVELS, of any number above none."""
    return math.ceil(LEVELS * math.sqrt(ended / most) - 1e-9)


def says(of: DurationClass) -> str:
    """`under 100 ms`, `1–3 s`, `30 s–1 min`, `over 2 h`."""
    if of.to_s is None:
        return f"over {span(of.from_s)}"
    if not of.from_s:
        return f"under {span(of.to_s)}"
    low, high = span(of.from_s), span(of.to_s)
    same = low.split(" ")[1] == high.split(" ")[1]
    return f"{low.split(' ')[0]}–{high}" if same else f"{low}–{high}"


def between(column: Column) -> str:
    """`21 Nov, 11:00 to 11:15 UTC`."""
    start, end = (datetime.fromtimestamp(at, UTC) for at in (column.start, column.start + column.lasts_s))
    until = f"{end:%H:%M}" if end.date() == start.date() else f"{end.day} {end:%b, %H:%M}"
    return f"{start.day} {start:%b, %H:%M} to {until} UTC"


def query(column: Column, of: DurationClass | None = None, agent: str | None = None) -> str:
    """Of the history's address: the jobs that ended then, of all durations or of a class, of all agents or of one."""
    ended = {"from": column.start, "to": column.start + column.lasts_s}
    took = {} if of is None else _all_counted(of) if agent is None else _between(of.from_s, of.to_s)
    return f"?{urlencode({**ended, **took, **({'agent': agent} if agent else {})})}"


def _all_counted(of: DurationClass) -> dict[str, str]:
    """The durations that are counted in a class of all agents."""
    until = None if of.to_s is None else (counted_from_ms(of.to_s) - 1) / 1000
    return _between(counted_from_ms(of.from_s) / 1000 if of.from_s else 0, until)


def _between(least_s: float, most_s: float | None) -> dict[str, str]:
    return {"min_s": f"{least_s:.10g}"} | ({} if most_s is None else {"max_s": f"{most_s:.10g}"})
