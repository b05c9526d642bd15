"""How many jobs wait in each queue: now, by its engine or by Headway's indexes, and the most of each minute of the last hour."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from core import keys
from core.site import Site
from services import broker_states
from services.broker_states import Broker
from services.queue_figures import MINUTES, MOST_QUEUES, MOST_SEARCHED

EVERY_S = 10
KEPT_S = 2 * 3600
MOST_SAMPLED = 500
"""Queues of which a minute is kept: the first to be seen in it, the deepest of these."""
UNTOLD_S = 5
"""So long it is kept how many jobs wait in queues that no engine tells of, where there are many: each is asked for."""


def now(site: Site) -> dict[str, int]:
    """Jobs that could begin, by AGENT/QUEUE, in the queues of brokers and those that were seen last; none of brokers that are
    unavailable: nobody knows them. Raises StoreError."""
    brokers = broker_states.brokers(site)
    return _known(brokers, _indexed(site, _newest(site, MOST_QUEUES)))


def of(site: Site, brokers: Collection[Broker], queues: Collection[str]) -> dict[str, int]:
    """The same of these queues, each AGENT/QUEUE, however long ago they were seen; those that have no job and that no engine tells of
    are left out. Raises StoreError."""
    seen, places = list[str](), dict[int, list[str]]()
    for name in queues:
        places.setdefault(_partition_of(site, name), []).append(name)
    for partition, names in places.items():
        found: Any = site.store.redis.zmscore(keys.QUEUES.at(partition), names)
        seen += [name for name, at in zip(names, found, strict=True) if at is not None]
    depths = _known(brokers, _indexed(site, seen))
    return {name: depths[name] for name in queues if name in depths}


def untold(site: Site, brokers: Collection[Broker]) -> int:
    """The same of all queues together that their broker's engine does not tell of, since it has too many; of the MOST_SEARCHED that
    were seen last, and up to UNTOLD_S old where there are more than MOST_QUEUES. Raises StoreError."""
    told = {broker.state.agent: broker.queues for broker in brokers if broker.state.why is None}
    if not told:
        return 0

    def counted() -> int:
        places = [(name, *name.partition("/")[::2]) for name in _newest(site, MOST_SEARCHED)]
        names = [name for name, agent, queue in places if agent in told and queue not in told[agent]]
        return sum(_indexed(site, names).values())

    known = sum(site.store.redis.zcard(keys.QUEUES.at(partition)) for partition in range(site.store.partitions))
    if known <= MOST_QUEUES:
        return counted()
    return site.cache.get_or_compute(keys.SERIES.at(0, "untold", *sorted(told)), UNTOLD_S, counted, "untold", int)


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


def _newest(site: Site, most: int) -> list[str]:
    names = list[str]()
    for partition in range(site.store.partitions):
        newest: Any = site.store.redis.zrange(keys.QUEUES.at(partition), 0, most - 1, desc=True)
        names += newest
    return names


def _indexed(site: Site, names: Collection[str]) -> dict[str, int]:
    with site.store.redis.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.zcard(keys.QUEUE_STATE.at(_partition_of(site, name), "queued", name))
        return dict(zip(names, pipeline.execute(), strict=True))


def _known(brokers: Collection[Broker], indexed: dict[str, int]) -> dict[str, int]:
    """A broker's queues are as its engine says; of those that it does not tell of, and of all others, the indexes do."""
    away = {broker.state.agent for broker in brokers if broker.state.why is not None}
    depths = {name: depth for name, depth in indexed.items() if name.partition("/")[0] not in away}
    for broker in brokers:
        if broker.state.why is None:
            depths |= {f"{broker.state.agent}/{name}": queue.depth for name, queue in broker.queues.items()}
    return depths


def _partition_of(site: Site, name: str) -> int:
    return site.store.partition_of(name.partition("/")[0])
