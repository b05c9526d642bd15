"""What RedBeat keeps in the broker's Redis: a schedule for Celery's beat that programs change while it runs. Its entries, and whether a beat
holds its lock.

Where there is no RedBeat that costs one command in `SEEK_S`; else what is asked for is what changed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from redis.exceptions import NoPermissionError

from core.config import Broker
from core.logs import printable
from services.brokers import celery_app
from services.brokers.celery_redbeat_entries import Damaged, Entry, entry_of
from services.brokers.celery_schedules import Runs
from services.brokers.celery_watch import Watch
from services.brokers.connections import asking, redis_of
from services.brokers.masking import Mask
from services.brokers.model import ScheduleNow
from services.brokers.rq_fields import END_S, ms_of

PREFIX = "redbeat:"
SEEK_S = 30.0
"""How often it is looked whether there is one."""
LOOK_S = 1.0
"""Changes are looked at no more often."""
LOST_S = 10.0
"""Nor all of it, where changes are not told."""
MOST = 500
MOST_BYTES = 16 * 1024
"""Of each field of an entry."""
MOST_NOTED = 5
LATE_MS = 360_000
"""A beat that has not sent for so long what was due is none, though its lock stands for 25 minutes: it looks at least each 5 minutes."""
SAME_RUN_MS = 5_000


class _Kept(Struct):
    """An entry as it was read last, and when it is due: RedBeat's own score."""

    due_s: float
    entry: Entry | None = None
    """None: not read yet, or damaged."""
    why: str | None = None
    """What is wrong with it."""


class RedBeat:
    def __init__(self, broker: Broker, mask: Mask, woken: threading.Event) -> None:
        self._address, self._agent = celery_app.redis_url(broker.address), broker.agent
        self._prefix = broker.redbeat_key_prefix or PREFIX
        self._schedule_key, self._lock_key = f"{self._prefix}:schedule".encode(), f"{self._prefix}:lock".encode()
        self._redis = redis_of(self._address)
        self._mask = mask
        self._woken = woken
        self._watch: Watch | None = None
        """None where there is no RedBeat."""
        self._sought: float | None = None
        self._kept: dict[bytes, _Kept] = {}
        self._count = 0
        self._is_damaged = False
        self._changed: set[bytes] = set()
        self._is_lost = False
        self._looked = self._read_all = -LOST_S
        self._held_until_ms = 0
        self._was_held = False
        self._is_lockless = False
        self._ran_ms: int | None = None
        """When it ran something last, as was read last."""

    def tick(self, now_ms: int) -> None:
        """Take in what changed. Raises BrokerError."""
        now = time.monotonic()
        if self._watch is None:
            if self._sought is not None and now - self._sought < SEEK_S:
                return
            self._sought = now
            if not self._is_there():
                return
            self._watch = Watch(self._address, f"RedBeat of {self._agent}", self._woken)
        changes = self._watch.changes((self._prefix,))
        self._changed |= changes.keys
        self._is_lost |= changes.lost
        is_all = self._is_lost and now - self._read_all >= LOST_S
        if (self._changed or is_all) and now - self._looked >= LOOK_S:
            self._looked = now
            if is_all:
                self._read_all, self._is_lost = now, False
            changed, self._changed = self._changed, set()
            with asking():
                self._look(changed, now_ms, is_all=is_all)

    def schedules(self, runs: Runs, now_ms: int) -> tuple[ScheduleNow, ...]:
        alive = self._is_alive(now_ms)
        kept = [(one.entry, one.due_s) for one in self._kept.values() if one.entry is not None]
        return tuple(_schedule(entry, due_s, runs, alive) for entry, due_s in kept)

    def notes(self) -> Iterable[str]:
        if self._is_damaged:
            yield f"{self._shown(self._schedule_key)} is no sorted set: what RedBeat keeps is not read"
        damaged = [(key, one.why) for key, one in self._kept.items() if one.why is not None]
        for key, why in damaged[:MOST_NOTED]:
            yield f"RedBeat's entry {self._shown(key)} can't be read: {why}"
        if len(damaged) > MOST_NOTED:
            yield f"{_more(len(damaged) - MOST_NOTED)} of RedBeat can't be read"
        if self._count > len(self._kept):
            yield f"{_more(self._count - len(self._kept))} of RedBeat not shown: the soonest {MOST} are"

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()
        self._redis.connection_pool.disconnect()

    def _shown(self, key: bytes) -> str:
        return printable(self._mask.text(key[:200].decode("utf-8", "replace")))

    def _is_there(self) -> bool:
        with asking():
            try:
                return bool(self._redis.exists(self._schedule_key))
            except NoPermissionError:  # a user that may read Celery's keys alone
                return False

    def _look(self, changed: set[bytes], now_ms: int, *, is_all: bool) -> None:
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zcard(self._schedule_key)
            pipeline.zrange(self._schedule_key, 0, MOST - 1, withscores=True)
            pipeline.pttl(self._lock_key)
            count, found, lock_ms = pipeline.execute(raise_on_error=False)
            self._is_damaged = not isinstance(found, list)
            before, self._kept = self._kept, {}
            for key, due_s in found if isinstance(found, list) else ():
                self._kept[key] = one = before.get(key) or _Kept(due_s)
                one.due_s = due_s
            self._count = count if isinstance(count, int) else 0
            self._read(pipeline, [key for key in self._kept if is_all or key in changed or key not in before])
        self._note_lock(lock_ms if isinstance(lock_ms, int) else -2, now_ms)

    def _read(self, pipeline: Any, keys: list[bytes]) -> None:
        if not keys:
            return
        for key in keys:
            pipeline.hstrlen(key, "definition")
            pipeline.hstrlen(key, "meta")
        sizes = pipeline.execute(raise_on_error=False)
        fitting = list[bytes]()
        for key, *lengths in zip(keys, sizes[::2], sizes[1::2], strict=True):
            one = self._kept[key]
            one.entry, one.why = None, _fault(lengths)
            if one.why is None:
                fitting.append(key)
        for key in fitting:
            pipeline.hmget(key, "definition", "meta")
        for key, answer in zip(fitting, pipeline.execute(raise_on_error=False) if fitting else (), strict=True):
            definition, meta = answer if isinstance(answer, list) else (None, None)
            name = key.decode("utf-8", "replace").removeprefix(self._prefix)
            try:
                self._kept[key].entry = entry_of(name, definition or b"", meta, self._mask)
            except Damaged as fault:
                self._kept[key].why = str(fault)

    def _note_lock(self, ttl_ms: int, now_ms: int) -> None:
        was_held = self._was_held
        self._was_held = ttl_ms != -2
        self._held_until_ms = now_ms + (END_S * 1000 if ttl_ms == -1 else max(ttl_ms, 0))
        ran_ms = max((one.entry.last_ms or 0 for one in self._kept.values() if one.entry), default=0)
        if self._was_held:
            self._is_lockless = False
        elif not was_held and self._ran_ms is not None and ran_ms > self._ran_ms:
            self._is_lockless = (
                True  # it ran something, and held none before or after: that is turned off, or called otherwise
            )
        self._ran_ms = ran_ms

    def _is_alive(self, now_ms: int) -> bool | None:
        dues = (one.due_s * 1000 for one in self._kept.values() if one.entry and one.entry.enabled and one.due_s >= 0)
        if now_ms - min(dues, default=now_ms) > LATE_MS:
            return False
        return None if self._is_lockless else self._held_until_ms > now_ms


def merged(ours: tuple[ScheduleNow, ...], beats: tuple[ScheduleNow, ...], runs: Runs) -> tuple[ScheduleNow, ...]:
    """RedBeat's entries and those that workers know from their app's configuration, which RedBeat takes over by their names."""
    names = {one.name for one in ours}
    runs.functions |= {one.function for one in ours if one.function}
    return (*sorted(ours, key=lambda one: one.name), *(one for one in beats if one.name not in names))


def _more(count: int) -> str:
    return f"{count:,} more {'entry' if count == 1 else 'entries'}"


def _fault(lengths: list[Any]) -> str | None:
    if not all(isinstance(length, int) for length in lengths):
        return "it is no hash"
    if max(lengths) > MOST_BYTES:
        return f"it is longer than {MOST_BYTES // 1024} KiB"
    return None if lengths[0] else "it has no definition"


def _schedule(entry: Entry, due_s: float, runs: Runs, alive: bool | None) -> ScheduleNow:
    last = runs.last.get(entry.function or "")
    is_its_job = last is not None and entry.last_ms is not None and abs(last[0] - entry.last_ms) < SAME_RUN_MS
    return ScheduleNow(
        name=entry.name,
        spec=entry.spec if entry.enabled else f"{entry.spec} (disabled)",
        function=entry.function,
        queue=entry.queue,
        next_ms=ms_of(due_s) if entry.enabled else None,
        last_ms=entry.last_ms,
        last_job=last[1] if last is not None and is_its_job else None,
        runs=entry.runs,
        scheduler="redbeat",
        alive=alive if entry.enabled else None,
    )
