"""How the value of a tile is said: by its format, with its unit, short enough for a card and exact in the tooltip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from panels import _words
from panels._words import NONE, count, figure, short, span

Format = Literal["number", "compact", "percent", "bytes", "duration"]
LONGEST = 1e7
"""From here on a number is too long to stand in full."""
LARGEST = 1e15
"""Past it no name of a power is read at a glance."""


@dataclass(frozen=True)
class Said:
    text: str
    unit: str
    exact: str
    """For the tooltip."""


def said(value: float | None, format: Format, unit: str) -> Said:
    """A value in the words of its tile; "–" for none."""
    if value is None:
        return Said(NONE, "", "no value yet")
    exact = f"{_exact(value)}{_exact_unit(format, unit)}"
    sign = "−" if value < 0 else ""
    size = abs(float(value))
    text, power = (f"{size:.3g}", "") if size >= LARGEST else _parts(size, format)
    return Said(sign + text, " ".join(word for word in (power, unit) if word), exact)


def _parts(value: float, format: Format) -> tuple[str, str]:
    """Of what is not negative: the figure, and its power or the unit that its format brings."""
    if format == "percent":
        return _plain(min(value, 99.9) if 99.9 < value < 100 else value), "%"
    if format == "bytes":
        text, _, unit = _words.size(value).partition(" ")
        return text, unit
    if format == "duration":
        text, _, unit = span(value).partition(" ")
        return (text, unit) if " " not in unit else (f"{text} {unit}", "")
    if value >= LONGEST or (format == "compact" and value >= 1000):
        return short(value)
    return _plain(value), ""


def _plain(value: float) -> str:
    """`0`, `0.42`, `12.5`, `1,204.7`, `1,284,311`; never nothing for what is more than that."""
    if value.is_integer() or value >= 10_000:
        return count(value)
    if value < 0.0005:
        return f"{value:.0e}"
    return figure(value) if value < 100 else f"{value:,.1f}"


def _exact(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < LARGEST else f"{value:.15g}"


def _exact_unit(format: Format, unit: str) -> str:
    brought = {"percent": " %", "bytes": " bytes", "duration": " s"}.get(format, "")
    return brought + (f" {unit}" if unit else "")
