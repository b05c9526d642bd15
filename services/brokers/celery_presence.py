"""Celery's workers by what they say of themselves: events `worker-online`, `worker-heartbeat` and `worker-offline`."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from services.brokers import celery_event_words as words
from services.brokers.numbers import finite

LATE_BEATS = 2
DEAD_BEATS, LOST_BEATS = 5, 15
"""After so many heartbeats that did not come a worker is dead, and then what it had at work is lost."""
USUAL_BEAT_S = 2.0
KEPT_DEAD_S = 3600.0
MOST = 500
SKEWS = 30


@dataclass
class Presence:
    """A worker that was heard of."""

    name: str
    heard_s: float
    """By our clock."""
    since_s: float
    """When it was first heard, or when it was started anew."""
    beat_s: float = USUAL_BEAT_S
    is_online: bool = True
    pid: int | None = None
    version: str | None = None
    active: int | None = None
    processed: int | None = None
    succeeded: int = 0
    failed: int = 0
    tells_tasks: bool | None = None
    """Whether it sends events of tasks; None where it had no occasion yet."""
    is_silent: bool = True
    """Whether no event of a task came since the last heartbeat."""
    silent_beats: int = 0
    """Heartbeats in a row that told of tasks of which no event came."""
    skews: deque[float] = field(default_factory=lambda: deque(maxlen=SKEWS))

    @property
    def skew_s(self) -> float | None:
        """By how much its clock is ahead of ours: what came with the least delay says it best."""
        return max(self.skews) if self.skews else None

    def is_dead(self, now_s: float) -> bool:
        return not self.is_online or now_s - self.heard_s > DEAD_BEATS * self.beat_s

    def is_lost(self, now_s: float) -> bool:
        return not self.is_online or now_s - self.heard_s > LOST_BEATS * self.beat_s


class Presences:
    """All workers that were heard of, those that died an hour ago at most among them."""

    def __init__(self) -> None:
        self.by_name: dict[str, Presence] = {}
        self.left: dict[str, float] = {}
        """When who said that it ends, by our clock: what it answered before says nothing of now."""

    def take(self, event: dict[str, Any]) -> None:
        """Fold one event, of a worker or of a task."""
        name, heard_s = words.name_of(event.get("hostname")), float(event.get("heard", 0.0))
        kind = event.get("type")
        if name is None or not isinstance(kind, str):
            return
        if kind.startswith("worker-"):
            self._worker(kind, name, event, heard_s)
        elif kind.startswith("task-") and kind != "task-sent" and (worker := self._known(name, heard_s)) is not None:
            worker.tells_tasks, worker.is_silent, worker.silent_beats = True, False, 0
            worker.heard_s = heard_s
            worker.succeeded += kind == "task-succeeded"
            worker.failed += kind == "task-failed"

    def has_begun(self, name: str, started_s: float, now_s: float) -> None:
        """A worker began a task then, of which no event came."""
        worker = self.by_name.get(name)
        if worker is not None and worker.is_silent and started_s < now_s - LATE_BEATS * worker.beat_s:
            worker.tells_tasks = False

    def forget_old(self, now_s: float) -> None:
        self.left = {name: left_s for name, left_s in self.left.items() if now_s - left_s < KEPT_DEAD_S}
        for name, worker in list(self.by_name.items()):
            if not worker.is_online or now_s - worker.heard_s > KEPT_DEAD_S:
                del self.by_name[name]

    def _known(self, name: str, heard_s: float) -> Presence | None:
        if name not in self.by_name and len(self.by_name) < MOST:
            self.by_name[name] = Presence(name, heard_s, heard_s)
        return self.by_name.get(name)

    def _worker(self, kind: str, name: str, event: dict[str, Any], heard_s: float) -> None:
        pid = words.whole(event.get("pid"))
        worker = self.by_name.get(name)
        if worker is not None and (kind == "worker-online" or (worker.pid is not None and pid != worker.pid)):
            del self.by_name[name]  # it was started anew
        worker = self._known(name, heard_s)
        if worker is None:
            return
        worker.heard_s, worker.is_online = heard_s, kind != "worker-offline"
        if not worker.is_online:
            self.left[name] = heard_s
        worker.pid = pid
        worker.version = words.name_of(event.get("sw_ver"))
        frequency = finite(event.get("freq"))
        if frequency is not None and 0 < frequency < 3600:
            worker.beat_s = frequency
        timestamp = finite(event.get("timestamp"))
        if timestamp is not None and abs(timestamp - heard_s) < 1e8:
            worker.skews.append(timestamp - heard_s)
        self._counts(worker, event)

    def _counts(self, worker: Presence, event: dict[str, Any]) -> None:
        processed, worker.active = words.whole(event.get("processed")), words.whole(event.get("active"))
        if processed is None:
            return
        if worker.is_silent and (
            worker.silent_beats or (worker.processed is not None and processed > worker.processed)
        ):
            # Events may come a little after the heartbeat that counts them: two such beats say that there are none.
            worker.silent_beats += 1
        if worker.silent_beats > 1:
            worker.tells_tasks = False
        worker.processed, worker.is_silent = processed, True
