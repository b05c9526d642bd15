"""What charts of sampled figures reckon alike: means and highest values of many readings."""

from __future__ import annotations

from collections.abc import Iterable

from services.series_service import Reading
from services.series_store import EVERY_S
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
    """How many there were in a window of what is known by how many came a second; None where nothing is known.

    A step counts for as long as it was sampled: the first one of a new site was mostly over before.
    """
    known = [each.mean * _known_s(each, window) for each in rates if each is not None]
    return round(sum(known)) if known else None


def _known_s(reading: Reading, window: Window) -> int:
    return min(reading.count * EVERY_S, window.step_s) if reading.count else window.step_s
