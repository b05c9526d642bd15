"""How many jobs failed and ended on each of the last days, from the counters of hours. A day is one of UTC: always 24 hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from core import keys
from core.site import Site
from services import ended_jobs_service
from services.ended_jobs_service import Ended
from services.windows import DAY_S, HOUR_S, KEPT_S

DAYS = KEPT_S // DAY_S
HOURS = DAY_S // HOUR_S
PAST_S = 300
"""Jobs of days that are over come by uploads alone."""


@dataclass(frozen=True)
class FailureDay:
    """`date` is that of a day of UTC, `2026-11-21`. `rate` is failed out of ended, in percent; None where none ended."""

    date: str
    failed: int
    ended: int
    rate: float | None


def days(site: Site) -> tuple[FailureDay, ...]:
    """The last DAYS days, oldest first, the present one up to now; those before it up to PAST_S old. Raises StoreError."""
    today = int(site.clock()) // DAY_S
    first = today - DAYS + 1
    key = keys.SERIES.at(0, "days-before", today)
    past = site.cache.get_or_compute(
        key, PAST_S, lambda: _days(site, first, today - 1), "failure_days", list[FailureDay]
    )
    return (*past, *_days(site, today, today))


def _days(site: Site, first: int, last: int) -> list[FailureDay]:
    counted = ended_jobs_service.by_hour(site, first * HOURS, (last + 1) * HOURS - 1)
    sums = [sum((each for _, each in counted[at : at + HOURS]), Ended()) for at in range(0, len(counted), HOURS)]
    return [_day(day, ended) for day, ended in zip(range(first, last + 1), sums, strict=True)]


def _day(day: int, ended: Ended) -> FailureDay:
    rate = round(100 * ended.failed / ended.total, 2) if ended.total else None
    return FailureDay(f"{datetime.fromtimestamp(day * DAY_S, UTC):%Y-%m-%d}", ended.failed, ended.total, rate)
