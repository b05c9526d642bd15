"""When a channel is to be left alone: from a time of day to another, by the clocks of its zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from core.config import Quiet

DAY = timedelta(days=1)


def ends(quiet: Quiet | None, at: float) -> float | None:
    """When the quiet hours end that `at` lies in, both in seconds since the epoch; None where it lies in none.

    A time that the clocks skip is that much after the one before; of one that comes twice the first counts.
    """
    if quiet is None:
        return None
    today = datetime.fromtimestamp(at, ZoneInfo(quiet.zone)).date()
    for day in (today - DAY, today):  # those that began yesterday may go on
        begin = _moment(day, quiet.since, quiet.zone)
        end = _moment(day if quiet.since < quiet.until else day + DAY, quiet.until, quiet.zone)
        if begin <= at < end:
            return end
    return None


def _moment(day: date, at: str, zone: str) -> float:
    return datetime.combine(day, time.fromisoformat(at), ZoneInfo(zone)).astimezone(UTC).timestamp()
