"""What stands as plain text in the hashes of RQ, each field for itself: what is damaged reads as None."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from services.brokers.numbers import finite
from services.brokers.pickled_values import clean

MOST_DIGITS = 30
END_S = 253_402_300_799
"""The last second that a calendar holds, in the year 9999."""


def moment_ms(value: bytes | None) -> int | None:
    """RQ's times, `2026-11-21T10:00:00.000000Z`, those of old versions without a fraction too."""
    try:
        return ms_of(datetime.fromisoformat((value or b"").decode()).replace(tzinfo=UTC).timestamp())
    except (ValueError, OverflowError):
        return None


def ms_of(seconds: float) -> int | None:
    """A moment that is kept as a number, such as a score."""
    return round(seconds * 1000) if 0 <= seconds < END_S else None


def whole(value: bytes | None) -> int | None:
    number = real(value)
    return None if number is None else int(number)


def real(value: bytes | None) -> float | None:
    if not value or len(value) > MOST_DIGITS:
        return None
    try:
        return finite(float(value))
    except ValueError:
        return None


def texts(value: bytes | None, most: int) -> list[str]:
    """A JSON list of texts or numbers, cut to `most`."""
    try:
        found = json.loads(value or b"[]")
    except (ValueError, RecursionError):
        return []
    return [clean(str(one)[:200]) for one in found[:most]] if isinstance(found, list) else []
