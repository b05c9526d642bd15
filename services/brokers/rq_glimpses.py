"""A glimpse of many jobs that wait to be read: what RQ deletes as soon as it has ended is to be read first, or it is gone by then."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import redis

from services.brokers import rq_keys
from services.brokers.connections import asking
from services.brokers.rq_keys import text

AT_LEAST = 500
"""Fewer are read as soon as they would be glimpsed at."""
AT_ONCE = 1_000
"""Jobs a round trip, a short command each."""


class _Glimpse(NamedTuple):
    queue: str | None
    """None where the job is gone."""
    is_fleeting: bool


class Glimpses:
    """Of the jobs that are pending, each once."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._seen: dict[bytes, _Glimpse] = {}

    def in_order(self, pending: Collection[bytes]) -> list[bytes]:
        """The order in which they are to be read: first what is gone, whose traces go cold. Raises BrokerError."""
        self._seen = {id: self._seen[id] for id in pending if id in self._seen}
        if len(pending) >= AT_LEAST:
            self._look([id for id in pending if id not in self._seen])
        return sorted(pending, key=self._rank)

    def queue_of(self, id: bytes) -> str | None:
        """Where a job belonged; None where it is not known."""
        glimpse = self._seen.get(id)
        return glimpse.queue if glimpse else None

    def _rank(self, id: bytes) -> int:
        glimpse = self._seen.get(id)
        return 2 if glimpse is None or (glimpse.queue and not glimpse.is_fleeting) else int(glimpse.queue is not None)

    def _look(self, ids: list[bytes]) -> None:
        with asking(), self._redis.pipeline(transaction=False) as pipeline:
            for at in range(0, len(ids), AT_ONCE):
                part = ids[at : at + AT_ONCE]
                for id in part:
                    pipeline.hmget(rq_keys.JOB + id, "origin", "result_ttl")
                for id, told in zip(part, pipeline.execute(raise_on_error=False), strict=True):
                    if isinstance(told, list):
                        self._seen[id] = _Glimpse(text(told[0]) or None, told[1] == b"0")
