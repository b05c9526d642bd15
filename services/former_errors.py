"""Failures that a version before kept without the type of their error: each gets it once, and so the index that a search finds it by."""

from __future__ import annotations

from core import keys
from core.site import Site
from services import error_types
from services.job_model import Job, from_record

EVERY_S = 600.0
"""There is nothing to do but after an upgrade, or where an older copy was put back."""
AT_ONCE = 100
"""Failures a step, each with all of its error."""
DONE = "done"


def run(site: Site) -> None:
    """Go on where the last run ended. Raises redis.RedisError."""
    for partition in range(site.store.partitions):
        place: str | None = site.store.redis.get(keys.FORMER_ERRORS.at(partition))  # type: ignore[assignment]
        while place != DONE:
            place = _step(site, partition, int(place or 0))


def _step(site: Site, partition: int, above: int) -> str:
    """Name the errors of the next failures above a number; the place behind them."""
    call = {"statuses": ["failed"], "above": above, "limit": AT_ONCE}
    _, *flat = site.store.scripts.run("page", partition, call)
    jobs = [from_record(int(number), record) for number, record in zip(flat[::2], flat[1::2], strict=True)]
    place = str(jobs[-1].number) if len(jobs) == AT_ONCE else DONE
    # What a follower told of has the type that its engine knows.
    unnamed = (job for job in jobs if isinstance(job, Job) and job.error_type is None and job.engine is None)
    named = [(job.number, job.attempt, type_) for job in unnamed if (type_ := error_types.of(job.error))]
    site.store.scripts.run("name_errors", partition, {"jobs": named, "place": place})
    return place
