"""The figures of a chart's points: how each is drawn, and what it is called in tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One figure of each point of a chart."""

    key: str
    """The field of a point that holds it; None there where nothing is known."""
    name: str
    """Told in tooltips and at the head of its column; may be empty where a chart has only this one."""
    unit: str = ""
    """`s`, `ms`, `%`, or a word such as `a second`."""
    ink: str = "accent"
    """A colour of the style sheet."""
    dash: bool = False
    fill: bool = False
    light: bool = False
    """Drawn thin and pale: the highest of what another line tells the mean of."""
    compared: bool = True
    """Whether its past is drawn where the reader compares; tables tell that of every line."""
    only_before: bool = False
    """Drawn of the past alone: in the present, and in tables, other lines tell it in parts."""
