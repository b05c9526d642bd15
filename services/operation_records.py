"""Operations on many jobs as the store keeps them: what was asked for, and how far it is."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

import msgspec
from msgspec import Struct

from core import keys
from core.site import Site
from services.audit_service import Entry, Who
from services.brokers.action_model import JobAction
from services.job_rules import State
from services.live_search import Conditions

KEPT = 100
MOST_FAULTS = 20
LEASE_MS = 15_000
Ending = Literal["running", "done", "stopped", "broken"]
"""`broken` was broken off: its engine could not be asked any more."""


class Chosen(Struct, frozen=True, array_like=True):
    """A job that was chosen by its number, as it was seen then."""

    number: int
    state: State | None
    attempt: int


class Fault(Struct, frozen=True):
    job: int
    why: str


class Progress(Struct, kw_only=True):
    """How far it is. `next` is where it goes on: a place among the chosen, or the number below which others match."""

    state: Ending = "running"
    next: int = 0
    doing: int | None = None
    """The job that it is at. Where a process ended meanwhile, nobody knows what came of this one, and it is not tried again."""
    done: int = 0
    changed: int = 0
    refused: int = 0
    failed: int = 0
    gone: int = 0
    """Known at its end: how many no longer matched when their turn would have come."""
    faults: tuple[Fault, ...] = ()
    """The first ones."""
    away: int = 0
    """How often in a row its engine was away."""
    ended_at: float | None = None
    why: str | None = None
    """Why it was broken off."""

    @property
    def tried(self) -> int:
        return self.done + self.changed + self.refused + self.failed


class Asked(Struct, frozen=True, kw_only=True):
    """What was asked for. `conditions` is None where jobs were chosen; `expected` is how many it may be."""

    number: int
    at: float
    who: Who
    action: JobAction
    to: str | None
    conditions: Conditions | None
    words: str
    """What the jobs are, as its reader knows it: a query, or how many were chosen."""
    expected: int
    entry: Entry
    """Of the audit."""


class Operation(Struct, frozen=True):
    asked: Asked
    progress: Progress
    is_stopping: bool = False


_asked = msgspec.json.Decoder(Asked).decode
_progress = msgspec.json.Decoder(Progress).decode
_chosen = msgspec.json.Decoder(Chosen).decode


def number(site: Site) -> int:
    """The next operation's. Raises StoreError."""
    return int(site.store.redis.incr(keys.OPERATION_NUMBER.at()))


def begin(site: Site, asked: Asked, progress: Progress, chosen: list[Chosen]) -> None:
    """Raises StoreError."""
    operation, jobs = keys.OPERATION.at(0, asked.number), keys.OPERATION_JOBS.at(0, asked.number)
    with site.store.redis.pipeline() as pipe:
        pipe.hset(operation, mapping={"asked": _text(asked), "progress": _text(progress)})
        if chosen:
            pipe.rpush(jobs, *(_text(one) for one in chosen))
        pipe.zadd(keys.OPERATIONS.at(), {str(asked.number): asked.number})
        pipe.sadd(keys.OPERATIONS_OPEN.at(), str(asked.number))
        pipe.execute()
    _forget(site, asked.number - KEPT)


def get(site: Site, number: int) -> Operation | None:
    """Raises StoreError."""
    asked, progress, stop = site.store.raw.hmget(keys.OPERATION.at(0, number), ["asked", "progress", "stop"])
    try:
        return Operation(_asked(asked or b""), _progress(progress or b""), stop is not None)
    except msgspec.DecodeError:
        return None


def recent(site: Site) -> tuple[Operation, ...]:
    """Newest first. Raises StoreError."""
    numbers = site.store.redis.zrange(keys.OPERATIONS.at(), 0, KEPT - 1, desc=True)
    return tuple(one for each in numbers if (one := get(site, int(str(each)))) is not None)


def open_ones(site: Site) -> list[int]:
    """Those that are to go on, oldest first. Raises StoreError."""
    return sorted(int(str(each)) for each in site.store.redis.smembers(keys.OPERATIONS_OPEN.at()))


def close(site: Site, number: int) -> None:
    """Raises StoreError."""
    site.store.redis.srem(keys.OPERATIONS_OPEN.at(), str(number))


def ask_to_stop(site: Site, number: int) -> None:
    """Raises StoreError."""
    site.store.redis.hset(keys.OPERATION.at(0, number), "stop", "1")


def go_on(site: Site, number: int, holder: str, progress: Progress | None = None) -> tuple[Progress, bool] | None:
    """Hold its lease, and write how far it is: how far that is now, and whether it is to stop. None where another process has it, or
    it is forgotten. Raises StoreError."""
    call = {"number": number, "holder": holder, "lease": LEASE_MS}
    if progress is not None:
        call["progress"] = _text(progress)
    held = site.store.scripts.run("operation", 0, call)
    if held is None or held[0] is None:
        return None
    with suppress(msgspec.DecodeError):
        return _progress(held[0]), bool(held[1])
    return None


def chosen(site: Site, number: int, start: int, count: int) -> list[Chosen]:
    """Raises StoreError."""
    kept = site.store.raw.lrange(keys.OPERATION_JOBS.at(0, number), start, start + count - 1)
    return [_chosen(one) for one in kept]


def _forget(site: Site, newest: int) -> None:
    """All up to this number that have ended."""
    older = [int(str(each)) for each in site.store.redis.zrangebyscore(keys.OPERATIONS.at(), "-inf", newest)]
    for number in set(older).difference(open_ones(site)):
        site.store.redis.delete(keys.OPERATION.at(0, number), keys.OPERATION_JOBS.at(0, number))
        site.store.redis.zrem(keys.OPERATIONS.at(), str(number))


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
