"""The hashes and results of RQ's jobs, read in a few round trips for many. What is longer than it may be is never asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis

from services.brokers import rq_keys
from services.brokers.connections import asking
from services.brokers.model import State
from services.brokers.rq_damage import Damage
from services.brokers.rq_keys import text

LIGHT = (
    b"status", b"origin", b"worker_name", b"created_at", b"enqueued_at", b"started_at", b"ended_at", b"timeout",
    b"result_ttl", b"failure_ttl", b"ttl", b"retries_left", b"number_of_retries", b"repeats_left", b"group_id",
    b"rate_limit_key", b"dependency_id",
)  # fmt: skip
HEAVY = {
    b"data": 128 * 1024,
    b"meta": 64 * 1024,
    b"description": 16 * 1024,
    b"dependency_ids": 16 * 1024,
    b"repeat_intervals": 1024,
    b"exc_info": 256 * 1024,
    b"result": 128 * 1024,
}
"""The most bytes of each that are read. The last two are of versions before 1.12."""
STILL = b"status"
"""What is asked for again at the last look at a job's hash: one that has none there any more was deleted since the first."""
SMALL = 64 * 1024
"""A hash of no more bytes is read without asking for the length of each field."""
MOST_RESULTS = 1024 * 1024
"""Bytes of a job's stream of results, of which one entry is read."""

STATES: dict[str, State] = {
    "queued": "queued",
    "started": "started",
    "finished": "finished",
    "failed": "failed",
    "stopped": "stopped",
    "canceled": "canceled",
    "scheduled": "scheduled",
    "deferred": "deferred",
    "rate_limited": "deferred",  # it waits until others of its key have ended
    "ready_to_enqueue": "deferred",  # a moment between deferred and queued
}
ENDED: tuple[State, ...] = ("finished", "failed", "stopped")


@dataclass
class Hash:
    """What Redis holds of a job."""

    id: bytes
    state: State
    fields: dict[bytes, bytes | None]
    is_small: bool
    is_gone: bool = False
    """Whether it was deleted while it was read."""
    long: set[bytes] = field(default_factory=set)
    """Fields that are longer than they may be."""
    due_s: float | None = None
    is_unlisted: bool = False
    """Of one that is scheduled: whether it is in no list of what is."""
    results_bytes: int | None = None
    """None where there are none."""
    entry: tuple[bytes, dict[bytes, bytes]] | None = None
    """The last of its results, where these are not too long."""

    def take(self, names: Iterable[bytes], answer: Any) -> None:
        """What stands in some fields, and in `STILL`."""
        if isinstance(answer, list):
            *values, still = answer
            self.fields.update(zip(names, values, strict=True))
            self.is_gone = still is None

    @property
    def queue(self) -> str:
        return text(self.fields[b"origin"])

    @property
    def was_at_work(self) -> bool:
        """Whether it waits again after an attempt."""
        return self.state in rq_keys.WAITING and self.state != "started" and bool(self.fields[b"started_at"])

    @property
    def is_between(self) -> bool:
        """RQ sets the status of what is to be tried again first, and all the rest in a moment, together. What is like that for long was
        taken off its list."""
        return self.state == "scheduled" and self.was_at_work and self.due_s is None

    @property
    def may_have_results(self) -> bool:
        """Of what waits again: what repeats, and what is kept for ever, as rq-scheduler has it of what recurs."""
        recurs = self.fields[b"repeats_left"] is not None or self.fields[b"result_ttl"] == b"-1"
        return self.state in ENDED or (self.was_at_work and recurs)


def read(client: redis.Redis, ids: Sequence[bytes], damage: Damage) -> tuple[list[Hash], list[bytes]]:
    """Some hundred jobs at most, and those of which Redis knows nothing, or no more than what a late heartbeat left. One that is damaged
    is in neither. Raises BrokerError."""
    with asking(), client.pipeline(transaction=False) as pipeline:
        found, gone = _begun(pipeline, ids, damage)
        _go_on(pipeline, found)
        _end(pipeline, found)
    gone += [one.id for one in found if one.is_gone]
    return [one for one in found if not one.is_gone], gone


def _begun(pipeline: Any, ids: Sequence[bytes], damage: Damage) -> tuple[list[Hash], list[bytes]]:
    for id in ids:
        pipeline.hmget(rq_keys.JOB + id, LIGHT)
        pipeline.memory_usage(rq_keys.JOB + id, samples=0)
    answers = pipeline.execute(raise_on_error=False) if ids else []
    found, gone = list[Hash](), list[bytes]()
    for id, values, size in zip(ids, answers[::2], answers[1::2], strict=True):
        if damage.of(rq_keys.JOB + id, values) is None:
            continue
        fields = dict(zip(LIGHT, values, strict=True))
        if not fields[b"status"] and not fields[b"origin"]:
            gone.append(id)
        elif (state := STATES.get(text(fields[b"status"]))) is not None:
            # Who may not ask for the size asks for each length.
            found.append(Hash(id, state, fields, is_small=isinstance(size, int) and size <= SMALL))
    return found, gone


def _go_on(pipeline: Any, found: list[Hash]) -> None:
    for one in found:
        key = rq_keys.JOB + one.id
        if one.is_small:
            pipeline.hmget(key, *HEAVY, STILL)
        else:
            for name in HEAVY:
                pipeline.hstrlen(key, name)
        if one.state == "scheduled":
            pipeline.zscore(rq_keys.place(one.queue, "scheduled"), one.id)
            pipeline.zscore(rq_keys.RQ_SCHEDULER_JOBS, one.id)
            pipeline.hmget(key, LIGHT)  # what stands there once it has its time
        if one.may_have_results:
            pipeline.memory_usage(rq_keys.RESULTS + one.id, samples=0)
    answers = iter(pipeline.execute(raise_on_error=False) if found else [])
    for one in found:
        if one.is_small:
            one.take(HEAVY, next(answers))
        else:
            lengths = {name: next(answers) for name in HEAVY}
            one.long = {name for name, length in lengths.items() if not isinstance(length, int) or length > HEAVY[name]}
        if one.state == "scheduled":
            scores, values = (next(answers), next(answers)), next(answers)
            if isinstance(values, list) and values[0] == b"scheduled":
                one.due_s = next((score for score in scores if isinstance(score, float)), None)
                one.is_unlisted = scores == (None, None)
                if one.due_s is not None:
                    one.fields.update(zip(LIGHT, values, strict=True))
        if one.may_have_results:
            size = next(answers)
            one.results_bytes = 0 if isinstance(size, Exception) else size


def _end(pipeline: Any, found: list[Hash]) -> None:
    """Fields of long hashes that are short enough, and results."""
    long = [(one, [name for name in HEAVY if name not in one.long]) for one in found if not one.is_small]
    long = [(one, names) for one, names in long if names]
    ended = [one for one in found if one.results_bytes is not None and one.results_bytes <= MOST_RESULTS]
    for one, names in long:
        pipeline.hmget(rq_keys.JOB + one.id, *names, STILL)
    for one in ended:
        pipeline.xrevrange(rq_keys.RESULTS + one.id, count=1)
    answers = iter(pipeline.execute(raise_on_error=False) if long or ended else [])
    for (one, names), values in zip(long, answers, strict=False):
        one.take(names, values)
    for one, entries in zip(ended, answers, strict=False):
        one.entry = entries[0] if isinstance(entries, list) and entries else None
