"""How often a schedule adds a job, in words."""

from __future__ import annotations

from services.brokers.numbers import finite

MOST_S = 1e12
"""What is longer is told in seconds."""
UNITS_S = ((86_400, "d", "day"), (3600, "h", "hour"), (60, "min", "minute"))


def every(seconds: float) -> str:
    """`every 30 s`, `every minute`, `every 5 min`, `every 1 d 1.5 s`: exactly as often as it was said."""
    if finite(seconds) is None:
        return "at an interval that is no number of seconds"
    if not 0 < seconds < MOST_S:
        return f"every {seconds:g} s"
    left, parts = seconds, list[str]()
    for size, unit, alone in UNITS_S:
        if seconds == size:
            return f"every {alone}"
        whole, left = divmod(left, size)
        if whole:
            parts.append(f"{whole:.0f} {unit}")
    return f"every {' '.join([*parts, f'{left:g} s'] if left else parts)}"
