"""What can be asked of a job, a queue or a worker of an engine, and how an engine's own module is spoken with."""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec import Struct

from services.job_rules import State

JobAction = Literal["retry", "cancel", "stop", "delete", "front", "move", "run"]
"""`run` is to begin a scheduled job now, `front` to make a waiting one the next, `move` to put it into another queue."""
QueueAction = Literal["pause", "resume", "empty"]
WorkerAction = Literal["shutdown", "grow", "shrink", "limit", "events"]
"""`grow` and `shrink` change the size of its pool, `limit` is the rate of a task, `events` makes it tell of its tasks."""
JOB_ACTIONS: tuple[JobAction, ...] = ("retry", "run", "front", "move", "cancel", "stop", "delete")
QUEUE_ACTIONS: tuple[QueueAction, ...] = ("pause", "resume", "empty")
WORKER_ACTIONS: tuple[WorkerAction, ...] = ("grow", "shrink", "limit", "events", "shutdown")


class ActionRefused(Exception):
    """It can't be done; the text is a sentence that says why, and what would help. Nothing was done."""


class Unknown(ActionRefused):
    """There is nothing of that name."""


class Changed(Exception):
    """The job is no longer what the caller saw, so nothing was done. `now` is the state it is in."""

    def __init__(self, now: str) -> None:
        super().__init__(f"It has changed meanwhile: it is {now} now. Nothing was done.")
        self.now = now


class Seen(Struct, frozen=True, forbid_unknown_fields=True):
    """What the caller saw of a job when deciding."""

    state: State
    attempt: int | None = None


class Target(Struct, frozen=True, kw_only=True):
    """A job to act on, as Headway's record has it. `id` is its engine's own."""

    id: str
    state: State
    queue: str | None
    function: str | None
    worker: str | None
    started_ms: int | None


class WorkerChange(Struct, frozen=True, forbid_unknown_fields=True):
    """`amount` is by how many processes or threads a pool is to grow or shrink; `rate` is such as `10/m`, or `0` for no limit."""

    action: WorkerAction
    amount: int = 1
    task: str | None = None
    rate: str | None = None


class Acting(Protocol):
    """An engine to be acted on. Its methods answer what was done, in a sentence; they raise ActionRefused, Changed, and BrokerError
    where the engine can't be asked."""

    def on_job(self, action: JobAction, job: Target, to: str | None) -> str: ...

    def expect_queue(self, queue: str) -> None:
        """Raises ActionRefused where nothing can be moved to a queue of that name, since nobody knows it."""

    def on_queue(self, action: QueueAction, queue: str) -> str: ...

    def on_worker(self, change: WorkerChange, worker: str) -> str: ...

    def close(self) -> None: ...
