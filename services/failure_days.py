"""How many jobs failed and ended on each of the last days, from the counters of hours. A day is one of UTC: always 24 hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.site import Site
from services import ended_jobs_service
from services.windows import DAY_S, HOUR_S, KEPT_S

DAYS = KEPT_S // DAY_S


@dataclass(frozen=True)
class FailureDay:
    """`date` is that of a day of UTC, `2026-11-21`. `rate` is failed out of ended, in percent; None where none ended."""

    date: str
    failed: int
    ended: int
    rate: float | None


def days(site: Site) -> tuple[FailureDay, ...]:
    """The last DAYS days, oldest first, the present one up to now. Raises redis.RedisError."""
    now = int(site.clock())
    today = now // DAY_S
    first = (today - DAYS + 1) * (DAY_S // HOUR_S)
    failed, ended = [0] * DAYS, [0] * DAYS
    for hour, counted in ended_jobs_service.by_hour(site, first, now // HOUR_S):
        at = (hour - first) * HOUR_S // DAY_S
        failed[at] += counted.failed
        ended[at] += counted.total
    began = datetime.fromtimestamp(first * HOUR_S, UTC)
    return tuple(
        FailureDay(f"{began + timedelta(days=at):%Y-%m-%d}", bad, all_, round(100 * bad / all_, 2) if all_ else None)
        for at, (bad, all_) in enumerate(zip(failed, ended, strict=True))
    )
