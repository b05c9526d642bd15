"""RQ's queues by RQ's own counts, nine commands a queue, whatever is in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import redis

from services.brokers import rq_keys
from services.brokers.connections import asking
from services.brokers.model import State
from services.brokers.rq_damage import Damage
from services.brokers.rq_fields import moment_ms

STATES: tuple[State, ...] = ("queued", *rq_keys.REGISTRIES)


class Counted(NamedTuple):
    """A queue as RQ counts it at this moment."""

    counts: dict[State, int]
    """Without those whose key is damaged."""
    between: int
    """Jobs that a worker took and has not begun: they are queued still, and no longer in the queue."""
    oldest_ms: int | None
    """Since when the one waits that is next."""


def names(client: redis.Redis, damage: Damage) -> tuple[str, ...]:
    """The queues that anything was ever put into. Raises BrokerError."""
    found = damage.asked(rq_keys.QUEUES, lambda: client.smembers(rq_keys.QUEUES))
    return tuple(sorted(rq_keys.text(key.removeprefix(rq_keys.QUEUE)) for key in found or ()))


def count(client: redis.Redis, queues: Sequence[str], now_s: int, damage: Damage) -> dict[str, Counted]:
    """What has expired by `now_s` is not counted, as RQ leaves it out too. Raises BrokerError."""
    with asking(), client.pipeline(transaction=False) as pipeline:
        for queue in queues:
            waiting = rq_keys.place(queue, "queued")
            pipeline.llen(waiting)
            pipeline.llen(waiting + rq_keys.INTERMEDIATE)
            for state in rq_keys.REGISTRIES:
                if state in ("finished", "failed"):
                    pipeline.zcount(rq_keys.place(queue, state), f"({now_s}", "+inf")
                else:
                    pipeline.zcard(rq_keys.place(queue, state))
            pipeline.lindex(waiting, 0)
        answers = pipeline.execute(raise_on_error=False)
        width = 3 + len(rq_keys.REGISTRIES)
        parts = [answers[at : at + width] for at in range(0, len(answers), width)]
        rows = [_checked(queue, row, damage) for queue, row in zip(queues, parts, strict=True)]
        since = dict[bytes, int | None]()
        if next_ones := [row[-1] for row in rows if row[-1]]:
            for id in next_ones:
                pipeline.hget(rq_keys.JOB + id, "enqueued_at")
            told = pipeline.execute(raise_on_error=False)
            since = {id: moment_ms(at) for id, at in zip(next_ones, told, strict=True) if isinstance(at, bytes)}
    return {
        queue: Counted(
            {state: many for state, many in zip(STATES, (queued, *registered), strict=True) if many is not None},
            between or 0,
            since.get(next_one) if next_one else None,
        )
        for queue, (queued, between, *registered, next_one) in zip(queues, rows, strict=True)
    }


def _checked(queue: str, row: list[Any], damage: Damage) -> list[Any]:
    """The answers of one queue; None in place of what is damaged."""
    waiting = rq_keys.place(queue, "queued")
    registries = [rq_keys.place(queue, state) for state in rq_keys.REGISTRIES]
    keys = [waiting, waiting + rq_keys.INTERMEDIATE, *registries, waiting]
    return [damage.of(key, answer) for key, answer in zip(keys, row, strict=True)]
