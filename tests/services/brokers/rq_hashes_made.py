"""Jobs of RQ written into a Redis by hand: as old versions left them, damaged, or meant to do harm; and very many."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Iterable
from typing import Any

CREATED = "2026-11-21T10:00:00.000000Z"


def packed(function: str, *args: Any, **kwargs: Any) -> bytes:
    """What RQ's default serializer makes of a call."""
    return zlib.compress(pickle.dumps((function, None, args, kwargs)))


def job_of(data: bytes, **fields: Any) -> dict[str, Any]:
    """The hash of a job that waits in `default`."""
    waiting = {"status": "queued", "origin": "default", "created_at": CREATED, "enqueued_at": CREATED, "timeout": 180}
    return {**waiting, "data": data, **fields}


def put(client: Any, jobs: dict[str, dict[str, Any]], queue: str = "default") -> None:
    """Into the queue, all of them. `client` is one of redis-py."""
    pipeline = client.pipeline(transaction=False)
    pipeline.sadd("rq:queues", f"rq:queue:{queue}")
    for id, fields in jobs.items():
        pipeline.hset(f"rq:job:{id}", mapping=fields)
        pipeline.rpush(f"rq:queue:{queue}", id)
    pipeline.execute()


def put_many(client: Any, ids: Iterable[str], queue: str = "default") -> None:
    """The same job under each id."""
    job, waiting = job_of(packed("app.mail", 1)), list(ids)
    for at in range(0, len(waiting), 5_000):
        put(client, dict.fromkeys(waiting[at : at + 5_000], job), queue)
