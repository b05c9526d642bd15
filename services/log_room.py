"""How much of a store that has a limit logs may take, so that they never fill it and make it refuse what jobs report."""

from __future__ import annotations

from typing import Any

import redis

from core.site import Site

PART = 4
"""Of the store's limit logs take one part in so many at most."""
FILLED = 0.8
"""Past so much of it, logs give way to all else that is kept."""
LEAST_PART = 25
"""Which they need not do further than to this part."""


def room(site: Site, taken: int) -> int | None:
    """The bytes that logs, which take so many now, may take; None where the store has no limit, or does not say.
    Raises redis.RedisError."""
    try:
        info: Any = site.store.redis.info("memory")
    except redis.ResponseError:  # who may not ask keeps to what `[retention]` says
        return None
    limit = int(info.get("maxmemory", 0))
    if not limit:
        return None
    others = int(info["used_memory"]) - taken
    return max(limit // LEAST_PART, min(limit // PART, int(limit * FILLED) - others))
