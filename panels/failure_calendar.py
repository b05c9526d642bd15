from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from core.site import Site
from panels import Panel, _calendar
from services import failure_days
from services.failure_days import FailureDay


@dataclass(frozen=True)
class FailureCalendar:
    """Failures of the last days, oldest first, whatever span the page shows. `worst` is the latest day with most of them, None without any."""

    failed: int
    ended: int
    rate: float | None
    """Failed out of ended, in percent."""
    clean: int
    """Days on which jobs ended and none failed."""
    worst: FailureDay | None
    days: tuple[FailureDay, ...]

    @property
    def cells(self) -> Iterator[_calendar.Cell]:
        return _calendar.cells(self.days)

    @property
    def months(self) -> list[_calendar.Month]:
        return _calendar.months(self.days)

    @property
    def weeks(self) -> int:
        return max((cell.x for cell in self.cells), default=0) + 1


def data(site: Site) -> FailureCalendar:
    days = failure_days.days(site)
    failed, ended = sum(day.failed for day in days), sum(day.ended for day in days)
    worst = max(reversed(days), key=lambda day: day.failed)
    return FailureCalendar(
        failed,
        ended,
        round(100 * failed / ended, 2) if ended else None,
        clean=sum(day.ended > 0 and not day.failed for day in days),
        worst=worst if worst.failed else None,
        days=days,
    )


PANEL = Panel(
    "failure-calendar",
    title="Failures by day",
    every=30,
    data=data,
    page="charts",
    width=2,
    order=48,
    note="90 days, of UTC",
)
