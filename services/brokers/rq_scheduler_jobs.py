"""What rq-scheduler, a package of its own beside RQ, keeps until its time: jobs that it adds once, those that it adds again and again, and
whether one of its schedulers runs."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Collection
from typing import Any

import msgspec
import redis

from services.brokers import rq_keys
from services.brokers.connections import asking
from services.brokers.model import EngineJob, ScheduleNow
from services.brokers.numbers import finite
from services.brokers.rq_changes import Changed
from services.brokers.rq_damage import Damage
from services.brokers.rq_fields import ms_of
from services.brokers.rq_keys import text
from services.brokers.schedule_words import every

LOOK_S = 1.0
"""Its list is looked at no more often, however often it changes."""
SOONEST = 500
"""Jobs of the list whose times are looked at. What is later is looked at once it is among them."""
MOST_RECURRING = 500
MOST_SCHEDULERS = 50
SILENT_S = 120
"""So long after Headway began to listen, or after the time of a job, there is no scheduler if none gave a sign: they give one a minute
unless they are told otherwise."""


class Kept:
    """Of one Redis."""

    def __init__(self, client: redis.Redis, damage: Damage) -> None:
        self._redis = client
        self._damage = damage
        self._soonest: dict[str, float] = {}
        self._later: dict[str, float] = {}
        """Times of those that recur and are none of the soonest."""
        self._recurring: OrderedDict[str, ScheduleNow] = OrderedDict()
        self._is_cut = False
        """Whether any of these had to give way to others."""
        self._count = 0
        self._is_due = True
        self._looked = 0.0
        self._signs: dict[bytes, int] = {}
        """Until when each scheduler counts as running, by its own word."""
        self._had_signs = False
        self._listens_since = time.monotonic()

    @property
    def has_jobs(self) -> bool:
        return self._count > 0

    def look(self, changed: Changed, now_ms: int, *, is_all: bool, is_told: bool) -> set[bytes]:
        """Take in what changed, or all; `is_told` says whether changes are told at all. The answer is jobs to be read: those whose time is
        another than before. Raises BrokerError."""
        now = time.monotonic()
        self._is_cut &= not is_all  # those that recur are all read once more
        if not is_told:
            self._listens_since = now
        self._hear({*changed.schedulers, *([rq_keys.RQ_SCHEDULER_LOCK, *self._signs] if is_all else ())}, now_ms)
        self._is_due |= changed.kept or is_all
        if not self._is_due or (now - self._looked < LOOK_S and not is_all):
            return set()
        self._is_due, self._looked = False, now
        before, self._soonest = self._soonest, self._times()
        self._look_later()
        moved = {id for id, at in self._soonest.items() if before.get(id) != at} | (
            before.keys() - self._soonest.keys()
        )
        return {id.encode() for id in moved}

    def note(self, jobs: Collection[EngineJob]) -> None:
        """Keep in mind which of these recur."""
        for job in jobs:
            if (entry := self._entry(job)) is None:
                self._recurring.pop(job.id, None)
                continue
            self._is_due |= job.id not in self._soonest and job.id not in self._recurring  # when is it due?
            self._recurring[job.id] = entry
            if len(self._recurring) > MOST_RECURRING:
                self._recurring.popitem(last=False)
                self._is_cut = True

    def forget(self, ids: Collection[str]) -> None:
        for id in ids:
            self._recurring.pop(id, None)

    def schedules(self, now_ms: int) -> tuple[ScheduleNow, ...]:
        alive, times = self._is_alive(now_ms), self._later | self._soonest
        return tuple(
            msgspec.structs.replace(entry, next_ms=ms_of(times[id]), alive=alive)
            for id, entry in self._recurring.items()
            if id in times
        )

    def notes(self, now_ms: int) -> list[str]:
        notes = list[str]()
        if self._is_cut:
            notes.append(
                f"More than {MOST_RECURRING:,} jobs of rq-scheduler recur: not all of them are shown as schedules"
            )
        if self._count and self._is_alive(now_ms) is False:
            what = "1 job waits" if self._count == 1 else f"{self._count:,} jobs wait"
            notes.append(
                f"{what} in the list of rq-scheduler and none of its schedulers gives a sign: start rqscheduler"
            )
        return notes

    def _times(self) -> dict[str, float]:
        key = rq_keys.RQ_SCHEDULER_JOBS
        found = self._damage.asked(key, lambda: self._redis.zrange(key, 0, SOONEST - 1, withscores=True))
        return {text(id): at for id, at in found or ()}

    def _look_later(self) -> None:
        self._later, self._count = {}, len(self._soonest)
        if self._count < SOONEST:
            return
        others = [id for id in self._recurring if id not in self._soonest]
        with asking(), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zcard(rq_keys.RQ_SCHEDULER_JOBS)
            for id in others:
                pipeline.zscore(rq_keys.RQ_SCHEDULER_JOBS, id)
            self._count, *times = pipeline.execute()
        self._later = {id: at for id, at in zip(others, times, strict=True) if at is not None}

    def _hear(self, keys: set[bytes], now_ms: int) -> None:
        asked = sorted(keys)[:MOST_SCHEDULERS]
        with asking(), self._redis.pipeline(transaction=False) as pipeline:
            for key in asked:
                pipeline.pttl(key)
                pipeline.hget(key, "death")
            answers = pipeline.execute(raise_on_error=False) if asked else []
        for key, ttl_ms, death in zip(asked, answers[::2], answers[1::2], strict=True):
            if isinstance(ttl_ms, int) and ttl_ms > 0 and not isinstance(death, bytes):
                self._signs[key], self._had_signs = now_ms + ttl_ms, True
            else:
                self._signs.pop(key, None)

    def _is_alive(self, now_ms: int) -> bool | None:
        if any(until_ms > now_ms for until_ms in self._signs.values()):
            return True
        soonest_s = min(self._soonest.values(), default=float("inf"))
        is_late = now_ms / 1000 - soonest_s > SILENT_S
        is_silent = time.monotonic() - self._listens_since > SILENT_S
        return False if self._had_signs or is_late or is_silent else None

    def _entry(self, job: EngineJob) -> ScheduleNow | None:
        """None of what does not recur, and of what is in no list of rq-scheduler: others note an `interval` in `meta` too."""
        if job.id not in self._soonest and self._count <= SOONEST:
            return None
        meta = job.metadata.get("meta")
        spec = _spec(meta) if isinstance(meta, dict) else None
        if spec is None:
            return None
        return ScheduleNow(
            name=job.title or job.function or job.id,
            spec=spec,
            function=job.function,
            queue=job.queue,
            last_ms=job.enqueued_ms,
            last_job=job.id,
            scheduler="rq-scheduler",
        )


def recurs(metadata: str | None) -> bool:
    """Whether a job may, by its record's metadata."""
    return metadata is not None and ('"cron_string"' in metadata or '"interval"' in metadata)


def _spec(meta: dict[str, Any]) -> str | None:
    cron, interval_s, left = meta.get("cron_string"), finite(meta.get("interval")), finite(meta.get("repeat"))
    if interval_s:  # goes before, as rq-scheduler has it
        spec = every(interval_s)
    elif isinstance(cron, str) and cron:
        spec = cron[:200]
    else:
        return None
    return spec if left is None else f"{spec}, {left:g} more time{'' if left == 1 else 's'}"
