"""What waits now: how many jobs could begin, and for how long the first of them has waited.

Of brokers it is what their engines say, of all others and of queues that an engine does not tell of what Headway's indexes do, so that
each job counts once, and only where it waits for a worker. Of a broker that is unavailable nothing is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from core import keys
from core.site import Site
from services import broker_states, jobs_service, queue_depths
from services.broker_states import Broker
from services.brokers.model import QueueNow
from services.job_model import Job, from_record, to_ms

HELD = ("scheduled", "deferred", "retrying")
"""States of queued jobs that no worker could begin: of agents that were brokers once."""
LOOKED_AT = 50
"""Reported jobs that came first, where the very first did not wait since it came."""
MINUTE_MS = 60_000


def depth(site: Site) -> int:
    """Jobs that could begin. Raises StoreError."""
    brokers = broker_states.brokers(site)
    told = sum(queue.depth for _, queue in _told(brokers))
    return reported(site, brokers) + told + queue_depths.untold(site, brokers)


def reported(site: Site, brokers: Collection[Broker]) -> int:
    """Those of agents that are no brokers. Raises StoreError."""
    mirrored = sum(jobs_service.counts(site, broker.state.agent)["queued"] for broker in brokers)
    return max(0, jobs_service.counts(site)["queued"] - mirrored)


def longest_wait_s(site: Site, agent: str | None = None) -> float | None:
    """For how long the job has waited that has done so for longest, of all or of an agent; None where none waits. Raises StoreError."""
    brokers = broker_states.brokers(site)
    asked = [broker for broker in brokers if agent in (None, broker.state.agent)]
    since = set(since_ms(site, {key: queue for key, queue in _told(asked) if queue.depth}).values())
    if agent is None or not asked:
        since |= _reported_since_ms(site, agent, brokers)
    return max((waited_s(site, each) for each in since), default=None)


def reported_wait_s(site: Site, brokers: Collection[Broker]) -> float | None:
    """The same of agents that are no brokers. Raises StoreError."""
    return max((waited_s(site, each) for each in _reported_since_ms(site, None, brokers)), default=None)


def since_ms(site: Site, queues: Mapping[str, QueueNow | None]) -> dict[str, int]:
    """Since when the job waits that is next, of queues in which some do, each AGENT/QUEUE with what its engine says of it: as that says;
    else by the first job that the indexes have of it; else since it was seen empty, to the minute. Raises StoreError."""
    found = {key: queue.oldest_ms for key, queue in queues.items() if queue is not None and queue.oldest_ms is not None}
    found |= _indexed_ms(site, queues.keys() - found.keys())
    return found | _filled_ms(site, queues.keys() - found.keys())


def waited_s(site: Site, since_ms: int) -> float:
    return round(max(0.0, site.clock() - since_ms / 1000), 3)


def _told(brokers: Iterable[Broker]) -> Iterator[tuple[str, QueueNow]]:
    for broker in brokers:
        if broker.state.why is None:
            yield from ((f"{broker.state.agent}/{name}", queue) for name, queue in broker.queues.items())


def _reported_since_ms(site: Site, agent: str | None, brokers: Collection[Broker]) -> set[int]:
    """Since when the oldest wait. Numbers rise, so the first has waited for longest, unless it was put back into the queue."""
    jobs = _first(site, agent, brokers, 1)
    if not jobs or any(job.attempt > 1 or job.state in HELD for job in jobs):
        jobs = _first(site, agent, brokers, LOOKED_AT)
    return {to_ms(jobs_service.waiting_since(job)) for job in jobs if job.state not in HELD}


def _first(site: Site, agent: str | None, brokers: Collection[Broker], limit: int) -> list[Job]:
    """Queued jobs with the lowest numbers, of each partition: an agent's, or those of all agents that are no brokers."""
    jobs = list[Job]()
    for partition in range(site.store.partitions) if agent is None else (site.store.partition_of(agent),):
        call: dict[str, Any] = {"index": f"{keys.STATUS.suffix}queued", "without": [], "limit": limit}
        if agent is not None:
            call["index"] = _of_agent(agent)
        else:
            names = (broker.state.agent for broker in brokers)
            call["without"] = [_of_agent(name) for name in names if site.store.partition_of(name) == partition]
        flat = site.store.scripts.run("first", partition, call)
        found = (from_record(int(number), record) for number, record in zip(flat[::2], flat[1::2], strict=True))
        jobs += (job for job in found if isinstance(job, Job))
    return jobs


def _of_agent(agent: str) -> str:
    return f"{keys.AGENT_STATUS.suffix}queued:{agent}"


def _indexed_ms(site: Site, queues: Collection[str]) -> dict[str, int]:
    places = {key: site.store.partition_of(key.partition("/")[0]) for key in queues}
    with site.store.redis.pipeline(transaction=False) as pipeline:
        for key, partition in places.items():
            pipeline.zrange(keys.QUEUE_STATE.at(partition, "queued", key), 0, 0)
        numbers = {key: int(found[0]) for key, found in zip(places, pipeline.execute(), strict=True) if found}
    with site.store.raw.pipeline(transaction=False) as pipeline:
        for key, number in numbers.items():
            pipeline.get(keys.JOB.at(places[key], number))
        records = pipeline.execute(raise_on_error=False)
    jobs = {key: from_record(number, record) for (key, number), record in zip(numbers.items(), records, strict=True)}
    return {key: to_ms(jobs_service.waiting_since(job)) for key, job in jobs.items() if isinstance(job, Job)}


def _filled_ms(site: Site, queues: Collection[str]) -> dict[str, int]:
    """What a broker says whose jobs nobody has told us of."""
    now = site.clock()
    filled = dict[str, int]()
    for key, (*before, _) in queue_depths.lately(site, queues).items():
        minutes = next((age for age, depth in enumerate(reversed(before)) if not depth), len(before))
        filled[key] = (int(now // 60) - minutes) * MINUTE_MS if minutes else int(now * 1000)
    return filled
