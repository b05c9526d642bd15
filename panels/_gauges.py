"""What charts of sampled figures reckon alike: means and highest values of many readings."""

from __future__ import annotations

from collections.abc import Iterable

from services.series_service import Reading
from services.windows import Window


def rounded(value: float | None, places: int = 3) -> float | None:
    return None if value is None else round(value, places)


def mean(readings: Iterable[Reading | None]) -> float | None:
    """Of all steps alike, None where nothing is known of any."""
    known = [each.mean for each in readings if each is not None]
    return rounded(sum(known) / len(known)) if known else None


def highest(readings: Iterable[Reading | None]) -> float | None:
    return rounded(max((each.max for each in readings if each is not None), default=None))


def mean_of(reading: Reading | None) -> float | None:
    return None if reading is None else rounded(reading.mean)


def most_of(reading: Reading | None) -> float | None:
    return None if reading is None else rounded(reading.max)


def total(rates: Iterable[Reading | None], window: Window) -> int | None:
    """How many there were in a window of what is known by how many came a second; None where nothing is known."""
    known = [each.mean for each in rates if each is not None]
    return round(sum(known) * window.step_s) if known else None
