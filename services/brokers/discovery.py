"""Whether the Redis that Headway itself uses is one that RQ uses too: then it is followed without being declared."""

from __future__ import annotations

import time
from typing import Any

from redis.connection import parse_url

from core.config import Broker
from core.config.brokers import DISCOVERED
from core.site import Site

LOOK_S = 5.0
"""How often it is looked."""
NAME, OTHER_NAME = DISCOVERED


class Discovery:
    """What is found once is followed for as long as this process leads: RQ's keys come and go."""

    def __init__(self) -> None:
        self._looked = float("-inf")
        self._found: Broker | None = None

    def found(self, site: Site) -> Broker | None:
        """The RQ in the store, None where there is none or it is declared anyway. Raises StoreError."""
        now = time.monotonic()
        if self._found is None and now >= self._looked + LOOK_S:
            self._looked = now
            url = site.store.url
            if not any(same(url, one.url) for one in site.config.queues) and _has_rq(site):
                taken = any(one.agent == NAME for one in site.config.queues)
                self._found = Broker("rq", url, OTHER_NAME if taken else NAME)
        return self._found


def _has_rq(site: Site) -> bool:
    from services.brokers import rq_keys  # RQ is imported with it

    return bool(site.store.redis.exists(rq_keys.QUEUES, rq_keys.WORKERS))


def same(url: str, other: str) -> bool:
    """Whether two addresses are of one database, as far as their text tells."""
    try:
        return _place(url) == _place(other)
    except ValueError:  # one that only Celery knows
        return False


def _place(url: str) -> tuple[object, ...]:
    told: Any = parse_url(url)  # type: ignore[no-untyped-call]
    host = str(told.get("host") or "localhost").lower()
    here = host in ("localhost", "127.0.0.1", "::1")
    return told.get("path"), "localhost" if here else host, told.get("port") or 6379, told.get("db") or 0
