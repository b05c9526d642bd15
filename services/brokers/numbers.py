"""Numbers from outside: what is no finite one reads as None."""

from __future__ import annotations

import math


def finite(said: object) -> float | None:
    """A number that JSON or Redis told; None for texts and for true and false."""
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    try:
        number = float(said)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
