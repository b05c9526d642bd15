"""Keys that hold another type than RQ gives them: what would stand there is left out and told by its name, everything else goes on."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import redis

from core.logs import printable
from services.brokers import rq_keys
from services.brokers.connections import asking

MOST_TOLD = 5


class Damage:
    """Of one Redis, key by key as each was found when it was read last."""

    def __init__(self) -> None:
        self._keys: set[bytes] = set()

    def __contains__(self, key: bytes) -> bool:
        return key in self._keys

    def of(self, key: bytes, answer: Any) -> Any:
        """What a pipeline answered of a key; None where it holds another type. Raises what else was answered, inside `asking`."""
        if not _is_wrong_type(answer):
            self._keys.discard(key)
            return answer
        self._keys.add(key)
        return None

    def asked(self, key: bytes, ask: Callable[[], Any]) -> Any:
        """The same of one command. Raises BrokerError."""
        with asking():
            try:
                answer = ask()
            except redis.ResponseError as fault:
                answer = fault
            return self.of(key, answer)

    def forget(self, key: bytes) -> None:
        """It is read no more."""
        self._keys.discard(key)

    def keep_queues(self, names: Collection[str]) -> None:
        """Forget those of other queues."""
        self._keys = {key for key in self._keys if (queue := rq_keys.queue_of(key)) is None or queue in names}

    def notes(self) -> list[str]:
        """A sentence a key, without its full stop, for the reader."""
        told = [f"{printable(rq_keys.text(key))} is no {_type(key)}: {_missing(key)}" for key in sorted(self._keys)]
        more = len(told) - MOST_TOLD
        return (
            told if more <= 0 else [*told[:MOST_TOLD], f"{more} more of RQ's keys hold another type than RQ gives them"]
        )


def _is_wrong_type(answer: Any) -> bool:
    """Of an answer of a pipeline. Raises what is another failure."""
    if isinstance(answer, Exception) and not str(answer).startswith("WRONGTYPE"):
        raise answer
    return isinstance(answer, Exception)


def _type(key: bytes) -> str:
    if key.startswith(rq_keys.QUEUE):
        return "list"
    if key in (rq_keys.QUEUES, rq_keys.WORKERS, rq_keys.RATES) or key.endswith(rq_keys.AT_WORK):
        return "set"
    return "hash" if key.startswith((rq_keys.JOB, rq_keys.WORKER, rq_keys.CRON_SCHEDULER)) else "sorted set"


def _missing(key: bytes) -> str:
    if key == rq_keys.QUEUES:
        return "no queue is found by it"
    if key == rq_keys.WORKERS:
        return "no worker is found by it"
    if key.startswith(rq_keys.JOB):
        return "that job is not read"
    if key.startswith(rq_keys.WORKER) and not key.endswith(rq_keys.AT_WORK):
        return "that worker is not shown"
    return "its jobs are not read" if rq_keys.queue_of(key) is not None else "it is not read"
