"""Which workers of Celery's took from a queue before it was paused here, so that these take from it again when it goes on."""

from __future__ import annotations

import msgspec

from core import keys
from core.site import Site


def remember(site: Site, agent: str, queue: str, workers: list[str]) -> None:
    """Raises StoreError."""
    known = set(workers_of(site, agent, queue))
    site.store.redis.hset(
        keys.PAUSED.at(), f"{agent}/{queue}", msgspec.json.encode(sorted(known | set(workers))).decode()
    )


def workers_of(site: Site, agent: str, queue: str) -> list[str]:
    """Raises StoreError."""
    kept = site.store.raw.hget(keys.PAUSED.at(), f"{agent}/{queue}")
    return msgspec.json.decode(kept, type=list[str]) if isinstance(kept, bytes) else []


def forget(site: Site, agent: str, queue: str) -> None:
    """Raises StoreError."""
    site.store.redis.hdel(keys.PAUSED.at(), f"{agent}/{queue}")


def of(site: Site, agent: str) -> set[str]:
    """The queues of an agent that were paused here. Raises StoreError."""
    names = (str(name) for name in site.store.redis.hkeys(keys.PAUSED.at()))
    return {name.removeprefix(f"{agent}/") for name in names if name.startswith(f"{agent}/")}
