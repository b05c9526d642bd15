"""How many jobs wait in each queue: now, by its engine or by Headway's indexes, and the most of each minute of the last hour."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from core import keys
from core.site import Site
from services import broker_states
from services.queue_figures import MINUTES, MOST_QUEUES

EVERY_S = 10
KEPT_S = 2 * 3600
MOST_SAMPLED = 500
"""Queues of which a minute is kept: the first to be seen in it, the deepest of these."""


def now(site: Site) -> dict[str, int]:
    """Jobs that could begin, by AGENT/QUEUE; none of brokers that are unavailable: nobody knows them. Raises StoreError."""
    brokers = broker_states.brokers(site)
    away = {broker.state.agent for broker in brokers if broker.state.why is not None}
    depths = {queue: depth for queue, depth in _indexed(site).items() if queue.partition("/")[0] not in away}
    for broker in brokers:
        if broker.state.why is None:
            depths |= {f"{broker.state.agent}/{name}": queue.depth for name, queue in broker.queues.items()}
    return depths


def sample(site: Site) -> None:
    """Note what waits; a duty. Raises StoreError."""
    depths = now(site)
    key = keys.QUEUE_DEPTH.at(0, int(site.clock() // 60))
    known: Any = site.store.redis.hgetall(key)
    grown = {name: depths[name] for name in known.keys() & depths.keys() if depths[name] > int(known[name])}
    fresh = sorted(depths.keys() - known.keys(), key=lambda name: (-depths[name], name))
    grown |= {name: depths[name] for name in fresh[: max(0, MOST_SAMPLED - len(known))]}
    if grown:
        with site.store.redis.pipeline() as pipeline:
            pipeline.hset(key, mapping=grown)
            pipeline.expire(key, KEPT_S)
            pipeline.execute()


def lately(site: Site, queues: Collection[str]) -> dict[str, tuple[int | None, ...]]:
    """Of the last MINUTES, the present one last, the most that waited in each of these AGENT/QUEUE; None where nobody looked.

    Raises StoreError.
    """
    if not queues:
        return {}
    names, last = list(queues), int(site.clock() // 60)
    with site.store.redis.pipeline(transaction=False) as pipeline:
        for minute in range(last - MINUTES + 1, last + 1):
            pipeline.hmget(keys.QUEUE_DEPTH.at(0, minute), names)
        minutes: Any = pipeline.execute()
    depths = zip(*minutes, strict=True)
    return {
        name: tuple(None if depth is None else int(depth) for depth in each)
        for name, each in zip(names, depths, strict=True)
    }


def _indexed(site: Site) -> dict[str, int]:
    depths: dict[str, int] = {}
    for partition in range(site.store.partitions):
        names: Any = site.store.redis.zrange(keys.QUEUES.at(partition), 0, MOST_QUEUES - 1, desc=True)
        with site.store.redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.zcard(keys.QUEUE_STATE.at(partition, "queued", name))
            depths |= dict(zip(names, pipeline.execute(), strict=True))
    return depths
