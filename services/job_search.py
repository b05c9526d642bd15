"""Jobs by what a person knows of them. Numbers and whole ids are in the indexes; titles are in none, so they can't be sought."""

from __future__ import annotations

from collections.abc import Iterable

from core import keys
from core.site import Site
from services import jobs_service
from services.job_changes import JobRef

LARGEST_NUMBER = 2**53


def find(site: Site, text: str, agents: Iterable[str]) -> int | None:
    """The number of the job that `text` is the number of (`17`, `#17`), or the id of at one of `agents`; the newest of several.

    Raises redis.RedisError.
    """
    digits = text.removeprefix("#")
    if digits.isascii() and digits.isdigit() and len(digits) <= 16 and 0 < int(digits) <= LARGEST_NUMBER:
        return int(digits) if jobs_service.get(site, JobRef(number=int(digits))) else None
    with site.store.redis.pipeline(transaction=False) as pipeline:
        for agent in agents:
            pipeline.hget(keys.IDS.at(site.store.partition_of(agent), agent), text)
        found = pipeline.execute()
    return max((int(number) for number in found if number), default=None)
