"""RQ's workers: read anew where their hashes changed, remembered as they were last where these have expired."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Literal

import msgspec
import redis

from services.brokers import rq_keys
from services.brokers.connections import asking
from services.brokers.model import WorkerNow
from services.brokers.rq_damage import Damage
from services.brokers.rq_fields import moment_ms, real, whole
from services.brokers.rq_keys import text

FIELDS = (
    b"state", b"queues", b"current_job", b"last_heartbeat", b"birth", b"death", b"hostname", b"pid", b"version",
    b"successful_job_count", b"failed_job_count", b"total_working_time",
)  # fmt: skip
STATES: dict[str, Literal["busy", "idle", "suspended", "starting"]] = {
    "busy": "busy",
    "idle": "idle",
    "suspended": "suspended",
    "started": "starting",
}
MOST = 1_000
"""Workers that are read at a time."""
MOST_JOBS = 20
"""Of one worker: it works on one job at a time, but for the classes that others wrote."""
GONE_S = 15 * 60
"""So long a worker is shown that ended without a word."""
NOTICED_S = 1.5
"""What is told of within this time counts as told at once."""

Functions = Callable[[Sequence[bytes]], dict[bytes, str | None]]


class Workers:
    """The workers of one Redis. The first `look` reads them all."""

    def __init__(self, client: redis.Redis, functions: Functions, damage: Damage) -> None:
        self._redis = client
        self._functions = functions
        self._damage = damage
        self._known: dict[bytes, WorkerNow] = {}
        self._lost: dict[bytes, int] = {}
        """Those that ended without a word, each with when that was noticed, for as long as they are registered."""
        self._damaged = set[bytes]()
        """Those whose hash is none."""
        self._pending: dict[bytes, bool] = {}
        """To be read, those first that have waited longest; True where it was told that they changed."""

    @property
    def has_more(self) -> bool:
        return bool(self._pending)

    def all(self) -> tuple[WorkerNow, ...]:
        return tuple(sorted(self._known.values(), key=lambda worker: worker.name))

    def listening(self, queue: str) -> int | None:
        """How many live workers take jobs of a queue; None where nobody knows all workers."""
        if rq_keys.WORKERS in self._damage:
            return None
        return sum(worker.state != "dead" and queue in worker.queues for worker in self._known.values())

    def look(self, now_ms: int, changed: Iterable[bytes] | None = None) -> None:
        """Read those whose keys changed, as many as may be read at a time; None: all. Raises BrokerError."""
        found = self._damage.asked(rq_keys.WORKERS, lambda: self._redis.smembers(rq_keys.WORKERS))
        held = {*self._known, *self._lost, *self._damaged, *self._pending}
        registered = held if found is None else {key.removeprefix(rq_keys.WORKER) for key in found}
        for name in held - registered:
            self._forget(name)
        for name, at_ms in self._lost.items():
            if now_ms - at_ms > GONE_S * 1000:
                self._known.pop(name, None)
        wanted = registered if changed is None else registered & {_worker_of(key) for key in changed}
        wanted |= registered - set(self._known) - set(self._lost)
        for name in sorted(wanted):
            self._pending[name] = changed is not None and self._pending.get(name, True)
        now = list(islice(self._pending, MOST))
        self._read({name: self._pending.pop(name) for name in now}, now_ms)

    def _forget(self, name: bytes) -> None:
        self._known.pop(name, None)
        self._lost.pop(name, None)
        self._pending.pop(name, None)
        self._damaged.discard(name)
        for key in _keys_of(name):
            self._damage.forget(key)

    def _read(self, names: Mapping[bytes, bool], now_ms: int) -> None:
        if not names:
            return
        with asking(), self._redis.pipeline(transaction=False) as pipeline:
            for name in names:
                hash, at_work = _keys_of(name)
                pipeline.hmget(hash, FIELDS)
                pipeline.srandmember(at_work, MOST_JOBS)
            answers = iter(pipeline.execute(raise_on_error=False))
            told = [(name, *(self._damage.of(key, next(answers)) for key in _keys_of(name))) for name in names]
        jobs = dict[bytes, list[bytes]]()
        read = dict[bytes, dict[bytes, bytes | None]]()
        for name, values, executions in told:
            if values is None:
                self._known.pop(name, None)
                self._damaged.add(name)
                continue
            fields = dict(zip(FIELDS, values, strict=True))
            if fields[b"death"]:
                self._forget(name)
            elif not fields[b"last_heartbeat"]:
                self._died(name, now_ms)
            else:
                read[name] = fields
                single = [fields[b"current_job"]] if fields[b"current_job"] else []
                jobs[name] = [execution.split(b":")[0] for execution in sorted(executions or ())] or [
                    one for one in single if one
                ]
        functions = self._functions([job for several in jobs.values() for job in several])
        for name, fields in read.items():
            before = self._known.get(name)
            self._lost.pop(name, None)
            worker = _worker(name, fields, jobs[name], functions)
            skew_s = _skew(worker.heartbeat_ms, before, now_ms, is_told=names[name])
            self._known[name] = msgspec.structs.replace(worker, skew_s=skew_s)

    def _died(self, name: bytes, now_ms: int) -> None:
        """Its hash is gone while it is registered still: it gave no sign within its time."""
        if now_ms - self._lost.setdefault(name, now_ms) > GONE_S * 1000:
            return
        known = self._known.get(name) or WorkerNow(name=text(name), state="dead")
        self._known[name] = msgspec.structs.replace(known, state="dead", jobs=(), functions=())


def _worker_of(key: bytes) -> bytes:
    return key.removeprefix(rq_keys.WORKER).removesuffix(rq_keys.AT_WORK)


def _keys_of(name: bytes) -> tuple[bytes, bytes]:
    """Of the worker and of what it is at."""
    return rq_keys.WORKER + name, rq_keys.WORKER + name + rq_keys.AT_WORK


def _worker(
    name: bytes,
    fields: dict[bytes, bytes | None],
    jobs: list[bytes],
    functions: dict[bytes, str | None],
) -> WorkerNow:
    return WorkerNow(
        name=text(name),
        state=STATES.get(text(fields[b"state"]), "starting"),
        queues=tuple(queue for queue in text(fields[b"queues"]).split(",") if queue),
        jobs=tuple(text(job) for job in jobs),
        functions=tuple(functions.get(job) or "" for job in jobs),
        heartbeat_ms=moment_ms(fields[b"last_heartbeat"]),
        born_ms=moment_ms(fields[b"birth"]),
        host=text(fields[b"hostname"]) or None,
        pid=whole(fields[b"pid"]),
        version=text(fields[b"version"]) or None,
        succeeded=whole(fields[b"successful_job_count"]) or 0,
        failed=whole(fields[b"failed_job_count"]) or 0,
        working_s=real(fields[b"total_working_time"]) or 0.0,
    )


def _skew(heartbeat_ms: int | None, before: WorkerNow | None, now_ms: int, *, is_told: bool) -> float | None:
    """By how much a worker's clock is ahead. A heartbeat that was told of just now is as old as that by the clock of Redis; any other
    says nothing, unless it lies in the future."""
    if heartbeat_ms is None:
        return None
    ahead_s = (heartbeat_ms - now_ms) / 1000
    is_fresh = (
        is_told and before is not None and before.heartbeat_ms is not None and before.heartbeat_ms != heartbeat_ms
    )
    if is_fresh or ahead_s > NOTICED_S:
        return round(ahead_s, 1) if abs(ahead_s) > NOTICED_S else 0.0
    return before.skew_s if before is not None else None
