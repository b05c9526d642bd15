"""Jobs for which nobody knows who listens: for how long the first waits, whether any is at work, and what ended."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from core.site import Site
from services import ended_jobs_service, jobs_service, live_search, waiting_jobs
from services.alert_queues import Queues, Watched
from services.ended_jobs_service import Ended
from services.live_search import Conditions

AT_WORK = ("processing", "started")


@dataclass(frozen=True)
class Work:
    """`ended` tells what ended since a moment."""

    is_going_on: bool
    wait_s: float
    ended: Callable[[float], Ended]


def of_queues(queues: Queues, some: Collection[Watched], now: float) -> Work:
    """Raises StoreError."""
    site = queues.site
    each = (Conditions(agents=(queue.agent,), queue=(queue.name,), states=AT_WORK) for queue in some)
    return Work(
        any(live_search.count(site, one, 1)[0] for one in each),
        max((wait_s for _, wait_s in queues.waits_s(some, now)), default=0.0),
        lambda since: ended_jobs_service.ended(site, since, now, queues=[queue.key for queue in some]),
    )


def of_agent(site: Site, agent: str, now: float) -> Work:
    """Raises StoreError."""
    return Work(
        jobs_service.counts(site, agent)["processing"] > 0,
        waiting_jobs.longest_wait_s(site, agent) or 0.0,
        lambda since: ended_jobs_service.ended(site, since, now, agent),
    )


def reported(queues: Queues, now: float) -> Work:
    """Of all agents that are no brokers. Raises StoreError."""
    site, brokers = queues.site, queues.brokers

    def ended(since: float) -> Ended:
        # Brokers first: what ends meanwhile counts as reported, and not as less than nothing.
        mirrored = sum((ended_jobs_service.ended(site, since, now, agent) for agent in brokers), Ended())
        every = ended_jobs_service.ended(site, since, now)
        return Ended(every.completed - mirrored.completed, every.failed - mirrored.failed, mirrored.uncounted)

    mirrored = sum(jobs_service.counts(site, agent)["processing"] for agent in brokers)
    return Work(
        jobs_service.counts(site)["processing"] > mirrored,
        waiting_jobs.reported_wait_s(site, brokers.values()) or 0.0,
        ended,
    )
