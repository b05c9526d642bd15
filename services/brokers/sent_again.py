"""Which tasks of Celery were sent again here a short while ago. The task that failed stays as it is, so nothing at its engine tells."""

from __future__ import annotations

from core import keys
from core.site import Site

KEPT_S = 600
"""Who retries it after that means it."""


def claim(site: Site, agent: str, id: str, again: str) -> str | None:
    """Note that a task is sent again under the id `again`; the id under which somebody did that before, and then nothing is noted.
    Raises StoreError."""
    key = keys.SENT_AGAIN.at(0, agent, id)
    if site.store.redis.set(key, again, nx=True, ex=KEPT_S):
        return None
    return str(site.store.redis.get(key) or again)


def forget(site: Site, agent: str, id: str) -> None:
    """It could not be sent. Raises StoreError."""
    site.store.redis.delete(keys.SENT_AGAIN.at(0, agent, id))
