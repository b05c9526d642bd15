"""Which workers of Celery's took from a queue before it was paused here, so that these take from it again when it goes on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Set

import msgspec
from msgspec import Struct

from core import keys
from core.site import Site


class Pause(Struct, frozen=True, array_like=True):
    at_s: float
    """By the clock of the process that acted, in seconds since the epoch."""
    workers: list[str]


_decode = msgspec.json.Decoder(Pause).decode


def remember(site: Site, agent: str, queue: str, workers: list[str]) -> None:
    """These were told to take from it no longer. Raises StoreError."""
    pause = Pause(time.time(), sorted({*workers_of(site, agent, queue), *workers}))
    site.store.redis.hset(keys.PAUSED.at(), f"{agent}/{queue}", msgspec.json.encode(pause).decode())


def workers_of(site: Site, agent: str, queue: str) -> list[str]:
    """Raises StoreError."""
    kept = site.store.raw.hget(keys.PAUSED.at(), f"{agent}/{queue}")
    return _decode(kept).workers if isinstance(kept, bytes) else []


def forget(site: Site, agent: str, queue: str) -> None:
    """Raises StoreError."""
    site.store.redis.hdel(keys.PAUSED.at(), f"{agent}/{queue}")


def of(site: Site, agent: str, taken: Mapping[str, float], living: Set[str]) -> set[str]:
    """The queues of an agent that were paused here and are so still: a worker that is started anew takes from its queues again, and where
    none of those lives that were told to rest, nobody rests. `taken` says when a worker last said that it takes from a queue. Raises
    StoreError."""
    pauses = {str(name): _decode(str(kept)) for name, kept in site.store.redis.hgetall(keys.PAUSED.at()).items()}
    named = {name.removeprefix(f"{agent}/"): pause for name, pause in pauses.items() if name.startswith(f"{agent}/")}
    return {
        queue
        for queue, pause in named.items()
        if taken.get(queue, 0.0) <= pause.at_s and not living.isdisjoint(pause.workers)
    }
