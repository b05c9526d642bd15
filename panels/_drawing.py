"""The charts as the server draws them, for those without a script: SVG paths in a field of WIDTH by HEIGHT, zero at FOOT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import log
from typing import Any, Literal

WIDTH, HEIGHT = 300.0, 100.0
HEAD, FOOT = 3.0, 97.0
LOOKS = ("dash", "light", "before")
BAR = 0.8
"""A bar's share of the room that a point has."""

Values = Sequence[float | None]


@dataclass(frozen=True)
class Drawn:
    """One line of a chart: its path, and the area under it where that is filled. Both empty where nothing is known."""

    ink: str
    path: str
    area: str = ""
    style: str = "series"
    """Its classes: `filled` of bars, else `series`, with `light`, `dash` or `before`."""


def drawn(
    lines: Sequence[dict[str, Any]],
    kind: Literal["line", "bars"],
    least: float = 0.0,
    most: float | None = None,
    *,
    times: bool = False,
) -> list[Drawn]:
    """The lines of a chart at one scale. Each has `values` (None where nothing is known), `ink`, and perhaps `fill`.

    The scale reaches from `least` to `most`, or to the highest value; that of `times`, which are above zero, goes by their
    logarithms from the lowest on. Bars stand on one another; what was `before` is a line over them.
    """
    if kind == "bars":
        return _bars([line for line in lines if not line.get("before")], [line for line in lines if line.get("before")])
    if times:
        lines = [{**line, "values": [None if v is None else log(v) for v in line["values"]]} for line in lines]
    known = [value for line in lines for value in line["values"] if value is not None]
    top = most if most is not None else max(known, default=0.0)
    least = min(known, default=0.0) if times else least
    return [_scaled(line, least, top) for line in lines]


def _scaled(line: dict[str, Any], least: float, top: float) -> Drawn:
    rise = (FOOT - HEAD) / (top - least) if top > least else 0.0
    return _line(line, [None if v is None else FOOT - (v - least) * rise for v in line["values"]])


def _line(line: dict[str, Any], heights: Values) -> Drawn:
    step = WIDTH / max(len(heights) - 1, 1)
    runs = [
        [(at * step, y) for at, y in run if y is not None]
        for known, run in groupby(enumerate(heights), key=lambda point: point[1] is not None)
        if known
    ]
    # A point between two gaps is drawn as a line of no length, which its round ends make a dot.
    path = "".join("M" + "L".join(_place(x, y) for x, y in (run if len(run) > 1 else run * 2)) for run in runs)
    area = "".join(
        f"M{_place(run[0][0], FOOT)}L" + "L".join(_place(x, y) for x, y in run) + f"L{_place(run[-1][0], FOOT)}Z"
        for run in runs
        if line.get("fill")
    )
    return Drawn(line["ink"], path, area, " ".join(("series", *(look for look in LOOKS if line.get(look)))))


def _bars(lines: Sequence[dict[str, Any]], before: Sequence[dict[str, Any]]) -> list[Drawn]:
    sums = [sum(value or 0.0 for value in column) for column in zip(*(line["values"] for line in lines), strict=True)]
    top = max([*sums, *(value or 0.0 for line in before for value in line["values"]), 0.0])
    return [*_stacked(lines, sums, top), *(_scaled(line, 0.0, top) for line in before)]


def _stacked(lines: Sequence[dict[str, Any]], sums: Sequence[float], top: float) -> Iterator[Drawn]:
    rise = (FOOT - HEAD) / top if top else 0.0
    room = WIDTH / max(len(sums), 1)
    feet = [FOOT] * len(sums)
    for line in lines:
        path = ""
        for at, value in enumerate(line["values"]):
            if value:
                height = value * rise
                path += f"M{_place((at + (1 - BAR) / 2) * room, feet[at])}h{room * BAR:.1f}v-{height:.1f}h-{room * BAR:.1f}z"
                feet[at] -= height
        yield Drawn(line["ink"], path, style="filled")


def _place(x: float, y: float) -> str:
    return f"{x:.1f} {y:.1f}"
