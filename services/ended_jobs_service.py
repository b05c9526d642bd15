"""How many jobs ended lately, of all or of one agent, from the counters of minutes and hours: at any number of jobs the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core import keys
from core.site import Site

MINUTE_S, HOUR_S = 60, 3600
MINUTES_KEPT_S = 24 * HOUR_S

AT_ONCE = 200


@dataclass(frozen=True)
class Ended:
    """`uncounted` are those of agents past the bound of names, of which some may be this agent's."""

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


def ended(site: Site, since: float, now: float, agent: str | None = None) -> Ended:
    """Jobs that ended from the minute of `since` on; from its hour on where that is longer ago than MINUTES_KEPT_S.

    Raises redis.RedisError.
    """
    last = int(now // HOUR_S)
    if now - since > MINUTES_KEPT_S:
        return _sum(each for _, each in by_hour(site, int(since // HOUR_S), last, agent))
    first, begun = int(since // MINUTE_S), int(since // HOUR_S) + 1
    minutes = by_minute(site, first, min(int(now // MINUTE_S), begun * 60 - 1), agent)
    hours = by_hour(site, begun, last, agent)
    return _sum(each for _, each in (*minutes, *hours))


def by_minute(site: Site, first: int, last: int, agent: str | None = None) -> list[tuple[int, Ended]]:
    """Each minute since the epoch from `first` to `last`, and what ended in it. Raises redis.RedisError."""
    return _read(site, keys.MINUTE if agent is None else keys.AGENT_MINUTE, first, last, agent)


def by_hour(site: Site, first: int, last: int, agent: str | None = None) -> list[tuple[int, Ended]]:
    """As `by_minute`, for hours."""
    return _read(site, keys.HOUR if agent is None else keys.AGENT_HOUR, first, last, agent)


def _read(site: Site, key: keys.Key, first: int, last: int, agent: str | None) -> list[tuple[int, Ended]]:
    if agent is None:
        partitions, fields = range(site.store.partitions), ["completed", "failed"]
    else:
        partitions = range(at := site.store.partition_of(agent), at + 1)
        fields = [f"completed\t{agent}", f"failed\t{agent}", ""]
    found = list[tuple[int, Ended]]()
    for start in range(first, last + 1, AT_ONCE):
        units = range(start, min(start + AT_ONCE, last + 1))
        with site.store.redis.pipeline(transaction=False) as pipeline:
            for unit in units:
                for partition in partitions:
                    pipeline.hmget(key.at(partition, unit), fields)
            answers = iter(pipeline.execute())
        for unit in units:
            found.append((unit, _sum(Ended(*(int(each or 0) for each in next(answers))) for _ in partitions)))
    return found


def _sum(some: Iterable[Ended]) -> Ended:
    return sum(some, Ended())
