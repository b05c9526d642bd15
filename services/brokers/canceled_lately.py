"""Which tasks of Celery's were canceled here a moment ago: its workers answer everybody who tells them the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from core import keys
from core.site import Site
from core.store import StoreError
from services.brokers.action_model import ActionRefused

KEPT_S = 15
"""Who cancels it once more after that means it: a worker that was started since does not know."""


@contextmanager
def once(site: Site, agent: str, id: str) -> Iterator[None]:
    """Whoever comes first cancels a task in this block. Raises ActionRefused for those who come right after, StoreError."""
    key = keys.CANCELED.at(0, agent, id)
    if not site.store.redis.set(key, "", nx=True, ex=KEPT_S):
        raise ActionRefused("Somebody canceled it a moment ago, so nothing more was done.")
    try:
        yield
    except BaseException:
        with suppress(StoreError):  # what went wrong in the block is to be told; the key is soon gone by itself
            site.store.redis.delete(key)
        raise
