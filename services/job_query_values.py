"""The values of a search for jobs: states, times and durations, as they are written and as they are meant."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from services.job_rules import ALL_STATES, STATUSES, State, Status

UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
LONGEST_MS = 10 * 366 * 86_400_000
LATEST_MS = 253_402_000_000_000
"""A few days before the year 10,000."""
MOST_WORD = 200

_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|min|m|h|d|w)", re.ASCII | re.IGNORECASE)
_BOUNDED = re.compile(r"([<>]=?)(.+)|(.*?)\.\.(.*)")


class ValueFault(ValueError):
    """A value can't be read; the text says what to write."""


def word(value: str) -> str:
    """A name as jobs have it."""
    if len(value) > MOST_WORD:
        raise ValueFault(f"a value has at most {MOST_WORD} characters.")
    return value.strip()


def status(value: str) -> Status | State:
    """A status, or an engine's state that is none."""
    found = value.lower()
    if found in (*STATUSES, *ALL_STATES):
        return found  # type: ignore[return-value]
    raise ValueFault(f"write one of {', '.join(dict.fromkeys((*STATUSES, *ALL_STATES)))}.")


def state(value: str) -> str:
    found = value.lower()
    if found in ALL_STATES:
        return found
    raise ValueFault(f"write one of {', '.join(ALL_STATES)}.")


def moment_ms(value: str, now: float) -> int:
    """When that is, in ms since the epoch: so long before `now` (seconds), or a date or time, in UTC where it names no zone."""
    if found := _SPAN.fullmatch(value):
        return max(round(now * 1000) - _ms(found), 0)
    try:
        moment = datetime.fromisoformat(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return min(max(round(moment.timestamp() * 1000), 0), LATEST_MS)
    except (ValueError, OverflowError) as fault:
        raise ValueFault("write how long ago (2h, 7d) or a time (2026-11-21, 2026-11-21T10:00Z).") from fault


def bounds(value: str) -> tuple[int | None, int | None]:
    """The least and the most ms of `>30s`, `<2min`, `1s..5s`, `1s..`."""
    found = _BOUNDED.fullmatch(value)
    if not found:
        raise ValueFault("write >30s, <2min or 1s..5s.")
    if found[1]:
        ms = _span_ms(found[2])
        return (ms, None) if found[1].startswith(">") else (None, ms)
    least, most = (_span_ms(each) if each else None for each in (found[3], found[4]))
    if least is None and most is None:
        raise ValueFault("write >30s, <2min or 1s..5s.")
    return least, most


def bounds_written(least_ms: int | None, most_ms: int | None) -> tuple[str, ...]:
    """As `bounds` reads them; none where there is no bound."""
    if least_ms is not None and most_ms is not None:
        return (f"{span_written(least_ms)}..{span_written(most_ms)}",)
    if least_ms is not None:
        return (f">{span_written(least_ms)}",)
    return () if most_ms is None else (f"<{span_written(most_ms)}",)


def span_written(ms: int) -> str:
    """In the largest unit that says it whole: `90s`, `2min`."""
    for unit in ("w", "d", "h", "min", "s"):
        if ms and ms % UNITS_MS[unit] == 0:
            return f"{ms // UNITS_MS[unit]}{unit}"
    return f"{ms}ms"


def _span_ms(text: str) -> int:
    found = _SPAN.fullmatch(text)
    if not found:
        raise ValueFault(f"{text[:40]!r} is no length of time: write 500ms, 30s, 2min, 1h or 1d.")
    if (ms := _ms(found)) > LONGEST_MS:
        raise ValueFault("ten years are the most.")
    return ms


def _ms(found: re.Match[str]) -> int:
    return round(float(found[1]) * UNITS_MS[found[2].lower()])
