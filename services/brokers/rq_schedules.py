"""What adds jobs to RQ's queues at times: the entries of its cron schedulers, jobs that repeat, and what rq-scheduler keeps; and who is
missing for that."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec
import redis

from services.brokers import rq_keys
from services.brokers.connections import asking
from services.brokers.masking import Mask
from services.brokers.model import EngineJob, ScheduleNow
from services.brokers.pickled_values import clean
from services.brokers.rq_damage import Damage
from services.brokers.rq_fields import moment_ms, ms_of
from services.brokers.rq_keys import text
from services.brokers.rq_scheduler_jobs import Kept
from services.brokers.schedule_words import every

MOST_SCHEDULERS = 50
MOST_BYTES = 256 * 1024
"""Of the entries that one scheduler keeps."""
MOST = 500
MOST_REPEATING = 200
SILENT_S = 120
"""A cron scheduler that gave no sign for so long is dead, as RQ says."""


class Schedules:
    """Of one Redis: cron entries as they were read last, and the repeating jobs that came by."""

    def __init__(self, client: redis.Redis, mask: Mask, damage: Damage) -> None:
        self._redis = client
        self._damage = damage
        self._mask = mask
        self._cron: list[tuple[ScheduleNow, int | None]] = []
        """Each with when its scheduler gave its last sign, where that is known."""
        self._repeating: OrderedDict[str, ScheduleNow] = OrderedDict()
        self.kept = Kept(client, damage)

    def all(self, now_ms: int) -> tuple[ScheduleNow, ...]:
        cron = (
            _with(entry, None if sign_ms is None else now_ms - sign_ms < SILENT_S * 1000)
            for entry, sign_ms in self._cron
        )
        return (*cron, *self._repeating.values(), *self.kept.schedules(now_ms))

    def note(self, jobs: list[EngineJob]) -> None:
        """Keep in mind which of these repeat."""
        self.kept.note(jobs)
        for job in jobs:
            left = job.metadata.get("repeats_left")
            if left and job.state in ("queued", "scheduled", "started", "deferred"):
                self._repeating[job.id] = _repeating(job, left)
                if len(self._repeating) > MOST_REPEATING:
                    self._repeating.popitem(last=False)
            else:
                self._repeating.pop(job.id, None)

    def forget(self, ids: list[str]) -> None:
        self.kept.forget(ids)
        for id in ids:
            self._repeating.pop(id, None)

    def look(self) -> None:
        """Read the entries of all cron schedulers. Raises BrokerError."""
        found = self._damage.asked(
            rq_keys.CRON_SCHEDULERS,
            lambda: self._redis.zrevrange(rq_keys.CRON_SCHEDULERS, 0, MOST_SCHEDULERS - 1, withscores=True),
        )
        with asking(), self._redis.pipeline(transaction=False) as pipeline:
            for name, _ in found or ():
                pipeline.hstrlen(rq_keys.CRON_SCHEDULER + name, "cron_jobs")
            lengths = self._asked(pipeline, [rq_keys.CRON_SCHEDULER + name for name, _ in found or ()])
            fitting = [one for one, length in zip(found or (), lengths, strict=True) if 0 < (length or 0) <= MOST_BYTES]
            for name, _ in fitting:
                pipeline.hget(rq_keys.CRON_SCHEDULER + name, "cron_jobs")
            kept = self._asked(pipeline, [rq_keys.CRON_SCHEDULER + name for name, _ in fitting])
            entries = [
                (name, sign, entry)
                for (name, sign), cron_jobs in zip(fitting, kept, strict=True)
                for entry in _entries(cron_jobs)
            ][:MOST]
            lists = [rq_keys.CRON_JOB + f"{_name(entry)}:jobs".encode() for _, _, entry in entries]
            for key in lists:
                pipeline.zrevrange(key, 0, 0)
            last = self._asked(pipeline, lists)
        self._cron = [
            (self._schedule(entry, text(name), text(jobs[0]) if jobs else None), ms_of(sign))
            for (name, sign, entry), jobs in zip(entries, last, strict=True)
        ]

    def _asked(self, pipeline: Any, keys: list[bytes]) -> list[Any]:
        """What it answers, a command a key; None of what is damaged."""
        answers = pipeline.execute(raise_on_error=False) if keys else []
        return [self._damage.of(key, answer) for key, answer in zip(keys, answers, strict=True)]

    def _schedule(self, entry: Mapping[str, Any], scheduler: str, last_job: str | None) -> ScheduleNow:
        cron, interval = entry.get("cron"), entry.get("interval")
        return ScheduleNow(
            name=self._mask.text(_name(entry)),
            spec=_cut(str(cron) if cron else _interval(interval)),
            function=_told(entry, "func_name"),
            queue=_told(entry, "queue_name"),
            next_ms=_moment(entry, "next_enqueue_time"),
            last_ms=_moment(entry, "latest_enqueue_time"),
            last_job=last_job,
            scheduler=scheduler,
        )


def without_scheduler(client: redis.Redis, scheduled: Mapping[str, int]) -> list[str]:
    """What to tell of the queues with jobs that wait for a time, each with how many, and that no scheduler keeps. One command.
    Raises BrokerError."""
    waiting = sorted(queue for queue, jobs in scheduled.items() if jobs)
    if not waiting:
        return []
    with asking():
        locks = client.mget([rq_keys.SCHEDULER_LOCK + queue.encode() for queue in waiting])
    unkept = [queue for queue, lock in zip(waiting, locks, strict=True) if lock is None]
    if not unkept:
        return []
    jobs = sum(scheduled[queue] for queue in unkept)
    where = ", ".join(unkept[:3]) + (f" and {len(unkept) - 3} more queues" if len(unkept) > 3 else "")
    what = "1 job is scheduled" if jobs == 1 else f"{jobs:,} jobs are scheduled"
    return [f"{what} in {where} and no scheduler runs there: start a worker with --with-scheduler"]


def _entries(cron_jobs: bytes | None) -> list[dict[str, Any]]:
    try:
        found = json.loads(cron_jobs or b"[]")
    except (ValueError, RecursionError):
        return []
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _name(entry: Mapping[str, Any]) -> str:
    return _cut(str(entry.get("name") or entry.get("func_name") or "?"))


def _interval(said: Any) -> str:
    return every(said) if isinstance(said, int | float) else f"every {said} s"


def _told(entry: Mapping[str, Any], field: str) -> str | None:
    said = entry.get(field)
    return _cut(said) if isinstance(said, str) and said else None


def _cut(said: str) -> str:
    return clean(said[:200])


def _moment(entry: Mapping[str, Any], field: str) -> int | None:
    said = entry.get(field)
    return moment_ms(_cut(said).encode()) if isinstance(said, str) else None


def _with(entry: ScheduleNow, alive: bool | None) -> ScheduleNow:
    return msgspec.structs.replace(entry, alive=alive)


def _repeating(job: EngineJob, left: int) -> ScheduleNow:
    intervals = job.metadata.get("repeat_intervals_s") or [0]
    again = f"{left} more time" + ("" if left == 1 else "s")
    return ScheduleNow(
        name=job.title or job.function or job.id,
        spec=f"{every(intervals[0] or 0)}, {again}",
        function=job.function,
        queue=job.queue,
        next_ms=job.due_ms,
        last_job=job.id,
    )
