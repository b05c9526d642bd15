"""How many jobs ended lately, of all, of an agent or of queues, from the counters of minutes and hours: at any number of jobs the same."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from core import keys
from core.site import Site

MINUTE_S, HOUR_S = 60, 3600
MINUTES_KEPT_S = 24 * HOUR_S

AT_ONCE = 200


@dataclass(frozen=True)
class Ended:
    """`uncounted` are those of agents or queues past the bound of names, of which some may be meant."""

    completed: int = 0
    failed: int = 0
    uncounted: int = 0

    @property
    def total(self) -> int:
        return self.completed + self.failed

    def __add__(self, other: Ended) -> Ended:
        return Ended(self.completed + other.completed, self.failed + other.failed, self.uncounted + other.uncounted)

    def __sub__(self, other: Ended) -> Ended:
        return Ended(self.completed - other.completed, self.failed - other.failed, self.uncounted - other.uncounted)


def ended(
    site: Site, since: float, now: float, agent: str | None = None, queues: Collection[str] | None = None
) -> Ended:
    """Jobs that ended from the minute of `since` on; from its hour on where that is longer ago than MINUTES_KEPT_S.

    Of all agents, of one, or of `queues`, each AGENT/QUEUE. Raises redis.RedisError.
    """
    last = int(now // HOUR_S)
    if now - since > MINUTES_KEPT_S:
        return _sum(each for _, each in by_hour(site, int(since // HOUR_S), last, agent, queues))
    first, begun = int(since // MINUTE_S), int(since // HOUR_S) + 1
    minutes = by_minute(site, first, min(int(now // MINUTE_S), begun * 60 - 1), agent, queues)
    hours = by_hour(site, begun, last, agent, queues)
    return _sum(each for _, each in (*minutes, *hours))


def by_minute(
    site: Site, first: int, last: int, agent: str | None = None, queues: Collection[str] | None = None
) -> list[tuple[int, Ended]]:
    """Each minute since the epoch from `first` to `last`, and what ended in it. Raises redis.RedisError."""
    return _read(site, (keys.MINUTE, keys.AGENT_MINUTE, keys.QUEUE_MINUTE), first, last, agent, queues)


def by_hour(
    site: Site, first: int, last: int, agent: str | None = None, queues: Collection[str] | None = None
) -> list[tuple[int, Ended]]:
    """As `by_minute`, for hours."""
    return _read(site, (keys.HOUR, keys.AGENT_HOUR, keys.QUEUE_HOUR), first, last, agent, queues)


def _read(
    site: Site,
    of: tuple[keys.Key, keys.Key, keys.Key],
    first: int,
    last: int,
    agent: str | None,
    queues: Collection[str] | None,
) -> list[tuple[int, Ended]]:
    """`of` are the counters of all jobs, by agent, and by queue."""
    key, fields = of[0], {partition: ["completed", "failed"] for partition in range(site.store.partitions)}
    if queues is not None:
        key, fields = of[2], _fields(site, {queue: queue.partition("/")[0] for queue in queues})
    elif agent is not None:
        key, fields = of[1], _fields(site, {agent: agent})
    found = list[tuple[int, Ended]]()
    for start in range(first, last + 1, AT_ONCE):
        units = range(start, min(start + AT_ONCE, last + 1))
        with site.store.redis.pipeline(transaction=False) as pipeline:
            for unit in units:
                for partition, names in fields.items():
                    pipeline.hmget(key.at(partition, unit), names)
            answers = iter(pipeline.execute())
        for unit in units:
            found.append((unit, _sum(_counted(next(answers)) for _ in fields)))
    return found


def _fields(site: Site, agents: dict[str, str]) -> dict[int, list[str]]:
    """By partition the fields of names, each of an agent there; the last one is of those past the bound."""
    fields = dict[int, list[str]]()
    for name, agent in agents.items():
        fields.setdefault(site.store.partition_of(agent), []).extend((f"completed\t{name}", f"failed\t{name}"))
    return {partition: [*names, ""] for partition, names in fields.items()}


def _counted(answer: list[str | None]) -> Ended:
    counts = [int(each or 0) for each in answer]
    pairs = len(counts) // 2 * 2
    return Ended(sum(counts[:pairs:2]), sum(counts[1:pairs:2]), sum(counts[pairs:]))


def _sum(some: Iterable[Ended]) -> Ended:
    return sum(some, Ended())
