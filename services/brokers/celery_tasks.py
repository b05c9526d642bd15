"""The tasks that were heard of lately, each folded from what events, lists and results say of it, in whatever order that comes.

Times are the sender's own. What is older than what is known already adds facts and takes nothing back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from services.brokers.masking import Mask
from services.brokers.model import EngineJob, State

MOST = 20_000
"""So many tasks are remembered beyond those that are to be told."""
SENT_LATE_MS = 1_000
"""What is sent is told of as much later at most, when a worker may have done it already."""
ENDED: tuple[State, ...] = ("finished", "failed", "stopped", "canceled", "deleted")
WAITING: tuple[State, ...] = ("queued", "scheduled", "retrying", "reserved")


class Task(Struct):
    """One task. `attempt` is Celery's `retries`: 0 for the first."""

    id: str
    state: State = "queued"
    attempt: int = 0
    heard_ms: int = 0
    """Of what its state is from."""
    is_heard: bool = False
    """Whether a worker told of it by events."""
    is_held: bool = False
    """Whether a worker was seen to have its message, which was not seen in a list since."""
    is_concluded: bool = False
    """Whether nobody said that it ended: its worker was heard of no more, or has it no more."""
    queue: str | None = None
    function: str | None = None
    title: str | None = None
    worker: str | None = None
    created_ms: int | None = None
    enqueued_ms: int | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    due_ms: int | None = None
    stage: str | None = None
    progress: float | None = None
    message: str | None = None
    error: str | None = None
    error_type: str | None = None
    result: Any = None
    metadata: dict[str, Any] = {}
    is_start_seen: bool = False
    """Whether it began when it was seen at work, for nobody told when: it may have begun, and ended, before."""
    began: int = 0
    """The attempt that began last."""
    retried: int = 0
    """Attempts of which it was said why they are tried again."""
    untold: list[tuple[int, EngineJob]] = []
    """What is to be told before what it is now, with the attempt that it is of."""

    @property
    def has_ended(self) -> bool:
        """Whether somebody who knows said so."""
        return self.state in ENDED and not self.is_concluded

    @property
    def at_attempt(self) -> int:
        """Which attempt this is, or which it waits for, from 1."""
        if self.state == "retrying":
            return max(self.attempt, self.began + 1) + 1
        return (self.attempt if self.state in WAITING else self.began) + 1

    @property
    def waits_since_ms(self) -> int | None:
        """When it was enqueued. Its sender notes that a moment late: a worker may have begun it already."""
        sent, began = self.enqueued_ms, self.started_ms
        is_late = sent is not None and began is not None and began < sent <= began + SENT_LATE_MS
        return began if is_late and self.began == self.attempt else sent

    def job(self) -> EngineJob:
        failed = self.state in ("failed", "stopped", "canceled", "deleted", "retrying")
        return EngineJob(
            id=self.id,
            state=self.state,
            queue=self.queue,
            function=self.function,
            title=self.title or self.function,
            worker=self.worker,
            created_ms=self.created_ms,
            enqueued_ms=self.waits_since_ms,
            started_ms=self.started_ms if self.state not in WAITING or self.state == "retrying" else None,
            ended_ms=self.ended_ms,
            due_ms=self.due_ms if self.state in ("scheduled", "retrying") else None,
            stage=self.stage,
            progress=self.progress,
            attempt=self.at_attempt,
            message=self.message,
            error=self.error if failed else None,
            error_type=self.error_type if failed else None,
            result=self.result,
            metadata=self.metadata,
        )


class Tasks:
    """`mask` hides what may not be stored. Not to be used by two threads at once."""

    def __init__(self, mask: Mask) -> None:
        self.mask = mask
        self._known: OrderedDict[str, Task] = OrderedDict()
        self._changed: dict[str, Task] = {}
        self.started: dict[str, Task] = {}
        """What is at work now, as far as it was heard of."""
        self.only_queues: Mapping[str, str] = {}
        """The queue of each worker that surely listens to no other. What a worker says of a task does not name its queue."""

    def known(self, id: str) -> Task | None:
        return self._known.get(id)

    def task(self, id: str) -> Task:
        """To be changed at once; it counts as changed."""
        task = self._known.get(id)
        if task is None:
            task = self._known[id] = Task(id, metadata={}, untold=[])
        else:
            self._known.move_to_end(id)
        self._changed[id] = task
        return task

    def forget(self, ids: Iterable[str]) -> None:
        for id in ids:
            self._known.pop(id, None)
            self._changed.pop(id, None)
            self.started.pop(id, None)

    def changed(self) -> list[EngineJob]:
        """What is to be told since this was asked last: of each task its attempts in their order."""
        jobs = []
        for task in self._changed.values():
            if task.queue is None and task.worker is not None:
                task.queue = self.only_queues.get(task.worker)
            jobs += [job for _, job in task.untold]
            jobs.append(task.job())
            task.untold = []
        self._changed = {}
        while len(self._known) > MOST:
            self._known.popitem(last=False)
        return jobs

    def to_state(self, task: Task, state: State, at_ms: int) -> None:
        """It has this state since then."""
        task.state, task.heard_ms, task.is_concluded = state, at_ms, False
        if state == "started":
            self.started[task.id] = task
        else:
            self.started.pop(task.id, None)

    def begun(self, task: Task, at_ms: int, worker: str | None, *, is_seen: bool = False) -> None:
        """It is at work since then, for the first time or anew; `is_seen` where that is when it was noticed."""
        if task.started_ms is not None and at_ms <= task.started_ms:
            task.worker = task.worker or worker
            return
        if task.ended_ms is not None and at_ms < task.ended_ms:
            task.started_ms = task.started_ms or at_ms
            return
        is_another = task.started_ms is not None or task.state == "retrying"
        if is_another and task.state in ("started", "retrying", *ENDED):
            self.before(task)
        if is_another:
            _anew(task)
        task.started_ms, task.began, task.is_start_seen = at_ms, task.attempt, is_seen
        task.worker = worker or task.worker
        self.to_state(task, "started", at_ms)

    def queued_as(self, task: Task, attempt: int, due_ms: int | None, at_ms: int) -> bool:
        """It was sent or taken by a worker then, as an attempt of that count; whether it waits by that."""
        if task.state in ENDED:
            if at_ms <= (task.ended_ms or 0):
                return False
            self.before(task)
            _anew(task)
            task.started_ms = None
        elif attempt < task.attempt or (attempt == task.attempt and task.state == "started"):
            return False
        if not task.heard_ms:
            task.retried = attempt
        task.attempt, task.due_ms = attempt, due_ms
        if attempt:
            task.metadata = task.metadata | {"retries": attempt}
        # One that is at work still was sent again by itself: its worker says next that it failed, and why.
        return task.state != "started"

    def before(self, task: Task) -> None:
        """Tell first what it is now, before what it becomes."""
        task.untold.append((task.began, task.job()))

    def ended(self, task: Task, state: State, at_ms: int) -> bool:
        """It ended then; False where it began anew since."""
        if task.started_ms is not None and at_ms < task.started_ms and task.state not in ENDED:
            if not task.is_start_seen:
                return False
            task.started_ms = at_ms
        if not task.has_ended or task.ended_ms is None:
            task.ended_ms = at_ms
        if task.is_concluded:
            task.message = task.error = task.error_type = None
        task.due_ms = None
        self.to_state(task, state, at_ms)
        return True

    def concluded(self, task: Task, state: State, at_ms: int, why: str) -> None:
        """It must have ended by then, as nobody told: what is told later is true instead."""
        if self.ended(task, state, at_ms):
            task.error, task.is_concluded = why, True


def _anew(task: Task) -> None:
    task.ended_ms = task.due_ms = task.stage = task.progress = task.message = task.error = task.error_type = None
    task.result = None
