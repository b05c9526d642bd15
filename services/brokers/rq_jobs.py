"""Jobs of RQ, read from their hashes, a few round trips for many. What is longer than it may be is never asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import redis

from services.brokers import rq_keys, rq_results
from services.brokers.connections import asking
from services.brokers.masking import Mask
from services.brokers.model import EngineJob, State
from services.brokers.rq_calls import Call, call_of, meta_of
from services.brokers.rq_fields import moment_ms, real, texts, whole
from services.brokers.rq_keys import text
from services.brokers.rq_progress import Scales
from services.brokers.rq_results import Ended

LIGHT = (
    b"status", b"origin", b"worker_name", b"created_at", b"enqueued_at", b"started_at", b"ended_at", b"timeout",
    b"result_ttl", b"failure_ttl", b"ttl", b"retries_left", b"number_of_retries", b"repeats_left", b"repeat_intervals",
    b"group_id", b"rate_limit_key", b"dependency_id",
)  # fmt: skip
HEAVY = {b"data": 128 * 1024, b"meta": 64 * 1024, b"description": 16 * 1024, b"dependency_ids": 16 * 1024}
"""The most bytes of each that are read."""
OLD = {b"exc_info": 256 * 1024, b"result": 256 * 1024}
MOST_RESULTS = 1024 * 1024
"""Bytes of a job's stream of results, of which one entry is read."""
MOST_DEPENDENCIES = 20
MOST_REMEMBERED = 2_000

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

Fields = dict[bytes, bytes | None]


class Found(NamedTuple):
    """What was read of some jobs."""

    jobs: list[EngineJob]
    gone: list[bytes]
    """Those of which Redis knows nothing, or no more than what a late heartbeat left."""


@dataclass
class _Reading:
    """A job while it is read."""

    id: bytes
    state: State
    fields: Fields
    long: set[bytes] = field(default_factory=set)
    """Fields that are longer than they may be."""
    due: float | None = None
    results_bytes: int | None = None
    entry: tuple[bytes, dict[bytes, bytes]] | None = None

    @property
    def origin(self) -> str:
        return text(self.fields.get(b"origin"))


class Reader:
    """Reads jobs of one Redis, and remembers what those call that were read last."""

    def __init__(self, client: redis.Redis, mask: Mask) -> None:
        self._redis = client
        self._mask = mask
        self._calls: OrderedDict[tuple[bytes, bytes | None], Call] = OrderedDict()
        self._scales = Scales()

    def read(self, ids: Sequence[bytes]) -> Found:
        """Some hundred jobs at most. One whose key holds anything else, or that was not enqueued yet, is left out. Raises
        BrokerError."""
        with asking():
            found, gone = self._begun(ids)
            self._with_heavy(found)
            self._with_results([one for one in found if one.state in ENDED])
        return Found([self._job(one) for one in found], gone)

    def functions(self, ids: Sequence[bytes]) -> dict[bytes, str | None]:
        """What some of these jobs call: those that Redis knows. Raises BrokerError."""
        with asking():
            found, _ = self._begun(ids)
            self._with_heavy(found)
        return {one.id: self._call(one).function for one in found}

    def _begun(self, ids: Sequence[bytes]) -> tuple[list[_Reading], list[bytes]]:
        with self._redis.pipeline(transaction=False) as pipeline:
            for id in ids:
                key = rq_keys.JOB + id
                pipeline.hmget(key, LIGHT)
                for name in HEAVY:
                    pipeline.hstrlen(key, name)
            answers = pipeline.execute(raise_on_error=False)
        found, gone = list[_Reading](), list[bytes]()
        width = 1 + len(HEAVY)
        for id, at in zip(ids, range(0, len(answers), width), strict=True):
            values, *lengths = answers[at : at + width]
            if not isinstance(values, list):
                _raised(values)
                continue
            fields = dict(zip(LIGHT, values, strict=True))
            if not fields[b"status"] and not fields[b"origin"]:
                gone.append(id)
                continue
            if (state := STATES.get(text(fields[b"status"]))) is None:
                continue
            reading = _Reading(id, state, fields)
            for name, length in zip(HEAVY, lengths, strict=True):
                if length > HEAVY[name]:
                    reading.long.add(name)
                elif length:
                    fields[name] = None  # to be asked for
            found.append(reading)
        return found, gone

    def _with_heavy(self, found: list[_Reading]) -> None:
        with self._redis.pipeline(transaction=False) as pipeline:
            wanted = list[tuple[_Reading, str, list[bytes]]]()
            for one in found:
                key = rq_keys.JOB + one.id
                names = [name for name in HEAVY if name in one.fields]
                if b"data" in names and self._call_key(one) in self._calls:
                    names.remove(b"data")
                if names:
                    pipeline.hmget(key, names)
                    wanted.append((one, "heavy", names))
                if one.state == "scheduled":
                    pipeline.zscore(rq_keys.place(one.origin, "scheduled"), one.id)
                    wanted.append((one, "due", []))
                if one.state in ENDED:
                    pipeline.memory_usage(rq_keys.RESULTS + one.id)
                    wanted.append((one, "results", []))
            answers = pipeline.execute(raise_on_error=False) if wanted else []
        for (one, what, names), answer in zip(wanted, answers, strict=True):
            if what == "heavy" and isinstance(answer, list):
                one.fields.update(zip(names, answer, strict=True))
            elif what == "due" and isinstance(answer, float):
                one.due = answer
            elif what == "results":
                # Who may not ask for the size reads it all the same.
                one.results_bytes = 1 if isinstance(answer, Exception) else answer

    def _with_results(self, ended: list[_Reading]) -> None:
        fitting = [one for one in ended if one.results_bytes and one.results_bytes <= MOST_RESULTS]
        old = [one for one in ended if one.results_bytes is None and one.state != "stopped"]
        with self._redis.pipeline(transaction=False) as pipeline:
            for one in fitting:
                pipeline.xrevrange(rq_keys.RESULTS + one.id, count=1)
            for one in old:
                for name in OLD:
                    pipeline.hstrlen(rq_keys.JOB + one.id, name)
            answers = pipeline.execute(raise_on_error=False) if fitting or old else []
        for one, answer in zip(fitting, answers, strict=False):
            if isinstance(answer, list) and answer:
                one.entry = answer[0]
        lengths = iter(answers[len(fitting) :])
        wanted = [(one, name) for one in old for name, length in zip(OLD, lengths, strict=False) if _fits(name, length)]
        with self._redis.pipeline(transaction=False) as pipeline:
            for one, name in wanted:
                pipeline.hget(rq_keys.JOB + one.id, name)
            answers = pipeline.execute(raise_on_error=False) if wanted else []
        for (one, name), answer in zip(wanted, answers, strict=True):
            one.fields[name] = answer if isinstance(answer, bytes) else None

    def _call_key(self, one: _Reading) -> tuple[bytes, bytes | None]:
        return one.id, one.fields[b"created_at"]

    def _call(self, one: _Reading) -> Call:
        key = self._call_key(one)
        if (call := self._calls.get(key)) is not None:
            self._calls.move_to_end(key)
            return call
        call = call_of(one.fields.get(b"data"), one.fields.get(b"description"), b"data" in one.long, self._mask)
        self._calls[key] = call
        if len(self._calls) > MOST_REMEMBERED:
            self._calls.popitem(last=False)
        return call

    def _job(self, one: _Reading) -> EngineJob:
        fields, state = one.fields, one.state
        call = self._call(one)
        meta, meta_unreadable = meta_of(fields.get(b"meta"), b"meta" in one.long, self._mask)
        told = self._scales.told(call.function, meta)
        started_ms = moment_ms(fields[b"started_at"]) if state == "started" or state in ENDED else None
        ended = _ended(one, self._mask)
        tags = meta.get("tags")
        return EngineJob(
            id=text(one.id),
            state=state,
            queue=one.origin or None,
            function=call.function,
            title=call.title,
            worker=text(fields[b"worker_name"]) or None if started_ms is not None else None,
            created_ms=moment_ms(fields[b"created_at"]),
            enqueued_ms=moment_ms(fields[b"enqueued_at"]),
            started_ms=started_ms,
            ended_ms=_ended_ms(state, started_ms, moment_ms(fields[b"ended_at"]), ended),
            due_ms=None if one.due is None else round(one.due * 1000),
            stage=told.stage,
            progress=told.progress,
            message=told.message,
            error=ended.error,
            error_type=ended.error_type,
            result=ended.result,
            metadata=_metadata(one, call, meta, call.unreadable or meta_unreadable or ended.unreadable),
            tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
        )


def _fits(name: bytes, length: Any) -> bool:
    return isinstance(length, int) and 0 < length <= OLD[name]


def _raised(answer: Any) -> None:
    """A key of another type is one damaged job; anything else goes for all."""
    if isinstance(answer, Exception) and not str(answer).startswith("WRONGTYPE"):
        raise answer


def _ended(one: _Reading, mask: Mask) -> Ended:
    if one.state not in ENDED:
        return Ended()
    if one.entry is not None:
        return rq_results.of_entry(one.entry, mask)
    if one.results_bytes is not None:
        return Ended(unreadable=f"result: it takes {one.results_bytes:,} bytes, more than {MOST_RESULTS:,}")
    return rq_results.of_fields(one.fields.get(b"exc_info"), one.fields.get(b"result"), mask)


def _ended_ms(state: State, started_ms: int | None, ended_ms: int | None, ended: Ended) -> int | None:
    """RQ notes no end where it was the worker that died: that of an earlier attempt may stand there."""
    if state not in ENDED:
        return None
    if ended_ms is not None and ended_ms >= (started_ms or 0):
        return ended_ms
    return ended.at_ms


def _metadata(one: _Reading, call: Call, meta: dict[str, Any], unreadable: str | None) -> dict[str, Any]:
    fields = one.fields
    depends_on = texts(fields.get(b"dependency_ids"), MOST_DEPENDENCIES)
    if not depends_on and fields[b"dependency_id"]:
        depends_on = [text(fields[b"dependency_id"])]
    told: dict[str, Any] = {
        **call.arguments,
        "depends_on": depends_on,
        "retries_left": whole(fields[b"retries_left"]),
        "retries": whole(fields[b"number_of_retries"]),
        "repeats_left": whole(fields[b"repeats_left"]),
        "repeat_intervals_s": [real(number.encode()) for number in texts(fields[b"repeat_intervals"], 20)],
        "timeout_s": whole(fields[b"timeout"]),
        "result_ttl_s": whole(fields[b"result_ttl"]),
        "failure_ttl_s": whole(fields[b"failure_ttl"]),
        "ttl_s": whole(fields[b"ttl"]),
        "group": text(fields[b"group_id"]) or None,
        "rate_limit": text(fields[b"rate_limit_key"]) or None,
        "waits_for_rate": True if text(fields[b"status"]) == "rate_limited" else None,
        "meta": meta,
        "unreadable": unreadable,
    }
    return {name: value for name, value in told.items() if value not in (None, [], {})}
