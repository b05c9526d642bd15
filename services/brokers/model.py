"""What RQ and Celery say, in the same words for both: jobs, queues, workers, schedules, and how their broker stands.

Times are milliseconds since the epoch, by the clock of whoever said it.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from core.config.brokers import Engine
from services.job_rules import State as State
from services.job_rules import Status

STATUS_OF: dict[State, Status] = {
    "queued": "queued",
    "scheduled": "queued",
    "deferred": "queued",
    "reserved": "queued",
    "retrying": "queued",
    "started": "processing",
    "finished": "completed",
    "failed": "failed",
    "stopped": "failed",
    "canceled": "failed",
    "deleted": "failed",
}
STATES: tuple[State, ...] = tuple(STATUS_OF)
LOST = "WorkerLostError: its worker "
"""How an error begins that Headway concluded, since a worker was heard of no more."""


class BrokerError(Exception):
    """A broker can't be read or did not do what was asked; the text goes on behind "because" and holds no address."""


class Unreached(BrokerError):
    """It was not reached at all: nothing was done."""


class Former(Struct, frozen=True, kw_only=True):
    """What is known of an earlier attempt of a job, as it may be told after the next one was."""

    attempt: int
    started_ms: int | None = None
    ended_ms: int | None = None
    error: str | None = None


class EngineJob(Struct, frozen=True, kw_only=True):
    """A job as its engine has it now, masked. `id` is the engine's own; `metadata` and `result` are what JSON can hold."""

    id: str
    state: State
    queue: str | None = None
    function: str | None = None
    title: str | None = None
    worker: str | None = None
    created_ms: int | None = None
    enqueued_ms: int | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    """Of a job that waits again: when its last attempt ended."""
    due_ms: int | None = None
    """When a scheduled or retrying job is to begin."""
    stage: str | None = None
    progress: float | None = None
    """0 to 100."""
    attempt: int | None = None
    """Which attempt this is at least, or which it waits for, from 1; None where its engine does not count them."""
    former: tuple[Former, ...] = ()
    """What is known anew of attempts before `attempt`; what was known of them before gives way."""
    message: str | None = None
    error: str | None = None
    """A traceback, or why it ended."""
    error_type: str | None = None
    result: Any = None
    metadata: dict[str, Any] = {}
    """What else is known: `args`, `kwargs`, `retries_left`, `timeout_s`, `depends_on`, `unreadable` (why a payload is not shown)."""
    tags: tuple[str, ...] = ()


class QueueNow(Struct, frozen=True, kw_only=True):
    """A queue by its engine's own counts. `oldest_ms` is since when the job waits that is next; None where nothing waits or nobody
    knows."""

    name: str
    counts: dict[State, int]
    paused: bool = False
    oldest_ms: int | None = None
    workers: int | None = None
    """Workers that listen to it; None where nobody knows."""

    @property
    def depth(self) -> int:
        """Jobs that could begin now."""
        return self.counts.get("queued", 0)


class WorkerNow(Struct, frozen=True, kw_only=True):
    """A worker. `state` is `busy`, `idle`, `suspended`, `starting`, or `dead` where its heartbeat is too old."""

    name: str
    state: Literal["busy", "idle", "suspended", "starting", "dead"]
    queues: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    """Ids of the jobs it works on."""
    functions: tuple[str, ...] = ()
    """What these jobs do, in the same order."""
    heartbeat_ms: int | None = None
    born_ms: int | None = None
    host: str | None = None
    pid: int | None = None
    version: str | None = None
    succeeded: int | None = None
    failed: int | None = None
    working_s: float | None = None
    pool: str | None = None
    """What runs its jobs at the same time: `prefork`, `threads`, `solo`, …"""
    concurrency: int | None = None
    active: int | None = None
    reserved: int | None = None
    scheduled: int | None = None
    skew_s: float | None = None
    """By how much its clock is ahead of its broker's."""
    rate_limits: dict[str, str] = {}
    tells_tasks: bool | None = None
    """Whether it sends events of its tasks, where its engine has some; None where nobody knows yet."""


class ScheduleNow(Struct, frozen=True, kw_only=True):
    """Something that adds jobs at times. `spec` is as it was written: `*/5 * * * *`, `every 30 s`."""

    name: str
    spec: str
    function: str | None = None
    queue: str | None = None
    next_ms: int | None = None
    last_ms: int | None = None
    last_job: str | None = None
    runs: int | None = None
    """How often it added one, where that is counted."""
    scheduler: str | None = None
    """The process that keeps it."""
    alive: bool | None = None


class Snapshot(Struct, frozen=True, kw_only=True):
    """A broker at a moment, as every page shows it."""

    broker: str
    engine: Engine
    at_ms: int
    queues: tuple[QueueNow, ...] = ()
    workers: tuple[WorkerNow, ...] = ()
    schedules: tuple[ScheduleNow, ...] = ()
    notes: tuple[str, ...] = ()
    """What is not known here and why, for the reader: "task events are off: …"."""
    is_new: bool = False
    """Whether what was there before is still being read: Headway's own figures of its jobs are too low meanwhile."""
    heard_ms: int | None = None
    """Until when events were heard, where its engine sends some."""
    missed: tuple[tuple[int, int], ...] = ()
    """From when to when nobody heard them, lately."""


class Standing(Struct, frozen=True, kw_only=True):
    """How a broker stood when it was last asked. `why` is None where it answered, else it has not since `since_ms`; `snapshot` is its
    last, however old."""

    broker: str
    engine: Engine
    discovered: bool
    at_ms: int
    why: str | None = None
    since_ms: int | None = None
    snapshot: Snapshot | None = None
