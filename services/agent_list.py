"""The agents that the site knows: a page of them, and one by its name."""

from __future__ import annotations

from dataclasses import dataclass

from core import keys
from core.site import Site
from services import job_counts, jobs_service
from services.jobs_service import AgentCounts
from services.name_order import place


@dataclass(frozen=True, slots=True)
class AgentPage:
    """Some of the agents by name, and how many there are in all."""

    agents: tuple[AgentCounts, ...]
    total: int


def page(site: Site, *, limit: int, skip: int = 0) -> AgentPage:
    """The agents behind the `skip` that were seen last, by name: by when they were seen those at work would change places all
    the time. Raises redis.RedisError."""
    with site.store.redis.pipeline(transaction=False) as pipeline:
        for partition in range(site.store.partitions):
            pipeline.zcard(keys.AGENTS.at(partition))
        total = sum(pipeline.execute())
    seen = jobs_service.agents(site, limit, skip)
    return AgentPage(tuple(sorted(seen, key=lambda one: place("", one.agent))), total)


def one(site: Site, agent: str) -> AgentCounts | None:
    """An agent with its jobs by status; None for one that is not known. Raises redis.RedisError."""
    partition = site.store.partition_of(agent)
    with site.store.redis.pipeline(transaction=False) as pipeline:
        pipeline.zscore(keys.AGENTS.at(partition), agent)
        job_counts.ask(pipeline, site.store, agent)
        seen, *sizes = pipeline.execute()
    return None if seen is None else AgentCounts(agent, int(seen), **job_counts.told(sizes))
