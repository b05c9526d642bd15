"""What is to be expected of a job, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.site import Site
from panels._track import Segment, segments
from services import estimates_service
from services.estimates_service import Estimate, Left
from services.job_model import DamagedJob, Job

MOMENT_S = 4.0
MOMENT = ("a", "moment")
STEPS: Sequence[tuple[float, float, str]] = (
    (57.5, 5, "s"),
    (20.5 * 60, 60, "min"),
    (57.5 * 60, 300, "min"),
    (5.75 * 3600, 1800, "h"),
    (36.0 * 3600, 3600, "h"),
    (float("inf"), 86_400, "d"),
)
"""Below so many seconds a figure is rounded to so many, and told in this unit."""
UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class Outlook:
    """A job's bar, and what is said beside it."""

    track: tuple[Segment, ...]
    left: str = ""
    """`about 3 min left`, `2–5 min left`, `rough guess: 3 min left`, `longer than usual`; empty where nothing can be told."""
    stalled_since: datetime | None = None
    """The last update of a job that seems to stand still."""
    since: datetime | None = None
    """When it was started, by the site's own clock."""


def outlooks(site: Site, jobs: Sequence[Job | DamagedJob]) -> dict[int, Outlook]:
    """Of each job, by its number; in one round trip for all. Raises redis.RedisError."""
    estimates, now = estimates_service.of(site, jobs), site.clock()
    return {job.number: outlook(job, estimates.get(job.number), now) for job in jobs if isinstance(job, Job)}


def outlook(job: Job, estimate: Estimate | None, now: float) -> Outlook:
    """`now` in seconds since the epoch; no estimate for a job that is queued or completed."""
    if estimate is None:
        return Outlook(segments(job))
    return Outlook(
        segments(job, estimate),
        "" if estimate.stalled_since else says(estimate, now),
        estimate.stalled_since,
        job.started_at and job.started_at + estimate.behind,
    )


def says(estimate: Estimate, now: float) -> str:
    if estimate.left is None:
        return "longer than usual" if estimate.is_late else ""
    return f"{_stretch(estimate.left, now)} left"


def _stretch(left: Left, now: float) -> str:
    likely = _figure(left.likely.timestamp() - now)
    if left.sure == "guess":
        return f"rough guess: {_joined(likely)}"
    if left.sure == "figure":
        return _about(likely)
    low, high = _figure(left.earliest.timestamp() - now), _figure(left.latest.timestamp() - now)
    if low == high:
        return _about(low)
    if low == MOMENT:
        return f"up to {_joined(high)}"
    return f"{low[0]}–{_joined(high)}" if low[1] == high[1] else f"{_joined(low)} to {_joined(high)}"


def _about(figure: tuple[str, str]) -> str:
    return _joined(figure) if figure == MOMENT else f"about {_joined(figure)}"


def _joined(figure: tuple[str, str]) -> str:
    return " ".join(figure)


def _figure(seconds: float) -> tuple[str, str]:
    """A number and its unit, as coarse as one would say it."""
    if seconds < MOMENT_S:
        return MOMENT
    _, step, unit = next(row for row in STEPS if seconds < row[0])
    amount = max(round(seconds / step), 1) * step / UNITS[unit]
    return f"{amount:g}", unit
