"""The tasks that were heard of lately, each folded from what events, lists and results say of it, in whatever order that comes.

Times are the sender's own. What is older than what is known already adds facts and takes nothing back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from services.brokers.celery_task import ENDED, NO_WORD, WAITING, Task, Why
from services.brokers.masking import Mask
from services.brokers.model import EngineJob, State

MOST = 20_000
"""So many tasks are remembered beyond those that are to be told."""


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
            task = self._known[id] = Task(id)
        else:
            self._known.move_to_end(id)
        self._changed[id] = task
        return task

    def forget(self, ids: Iterable[str]) -> None:
        for id in ids:
            self._known.pop(id, None)
            self._changed.pop(id, None)
            self.started.pop(id, None)

    def tell_anew(self) -> None:
        """Headway may have lost them: what has not ended is to be told once more."""
        self._changed |= {id: task for id, task in self._known.items() if task.state not in ENDED}

    def changed(self) -> list[EngineJob]:
        """What is to be told since this was asked last: of each task its attempts in their order."""
        jobs = []
        for task in self._changed.values():
            if task.queue is None and task.worker is not None:
                task.queue = self.only_queues.get(task.worker)
            jobs += task.untold
            jobs.append(task.job())
            task.untold, task.formers = [], {}
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

    def queued_as(self, task: Task, retries: int, due_ms: int | None, at_ms: int) -> bool:
        """It was sent or taken by a worker then, as an attempt of that count of Celery's; whether it waits by that."""
        number = task.numbered(retries)
        if task.state in ENDED:
            if at_ms <= (task.ended_ms or 0):
                task.at_least(number)
                return False
            if number <= task.attempt:  # it was sent once more
                task.count_anew(task.attempt - retries)
            task.go_to(task.numbered(retries))
        elif number > task.attempt:
            task.go_to(number)
        elif number < task.attempt or task.state not in WAITING:
            return False
        task.due_ms = due_ms
        if retries:
            task.metadata = task.metadata | {"retries": retries}
        return True

    def begun(
        self, task: Task, at_ms: int, worker: str | None, *, attempt: int | None = None, is_seen: bool = False
    ) -> int:
        """It is at work since then, for the first time or anew; `is_seen` where that is when it was noticed. Which attempt that is."""
        attempt = attempt or task.attempt
        if attempt < task.attempt:
            task.note(attempt, started_ms=at_ms)
            return attempt
        if task.state in ENDED:
            # A worker tells of a beginning a moment late; what was canceled may begin still, with one that was not told so.
            if at_ms <= (task.ended_ms or 0) or (task.has_ended and task.state != "canceled"):
                task.started_ms = task.started_ms or at_ms
                return attempt
            task.count_anew(task.again + 1)
            attempt += 1
        elif task.state == "started" and attempt == task.attempt:
            if task.is_start_seen and task.started_ms is not None and at_ms < task.started_ms:
                task.started_ms = at_ms
            task.worker = task.worker or worker
            return attempt
        task.go_to(attempt)
        task.started_ms, task.is_start_seen = at_ms, is_seen
        task.worker = worker or task.worker
        self.to_state(task, "started", at_ms)
        return attempt

    def tried_again(self, task: Task, attempt: int, at_ms: int, why: Why) -> None:
        """An attempt failed, and Celery tries it again."""
        task.note(attempt, ended_ms=at_ms, error=why.error)
        if task.has_ended:
            task.at_least(attempt + 1)
        elif attempt >= task.attempt:
            task.go_to(attempt + 1)
            task.explain(at_ms, why)
            self.to_state(task, "retrying", at_ms)
        elif attempt == task.attempt - 1 and task.state == "retrying":
            task.explain(at_ms, why)

    def given_back(self, task: Task, state: State, at_ms: int, why: Why = NO_WORD) -> None:
        """Its attempt is to begin anew, which Celery does not count."""
        task.note(task.attempt, ended_ms=at_ms, error=why.error)
        task.count_anew(task.again + 1)
        task.go_to(task.attempt + 1)
        task.explain(at_ms, why)
        self.to_state(task, state, at_ms)

    def ended(self, task: Task, state: State, at_ms: int) -> bool:
        """It ended then; False where it began anew since."""
        if task.started_ms is not None and at_ms < task.started_ms and task.state not in ENDED:
            if not task.is_start_seen:
                return False
            task.started_ms = at_ms
        if not task.has_ended or task.ended_ms is None:
            task.ended_ms = at_ms
        if task.is_concluded or task.state in WAITING:
            task.message = task.error = task.error_type = None
        task.due_ms = None
        self.to_state(task, state, at_ms)
        return True

    def concluded(self, task: Task, state: State, at_ms: int, why: str) -> None:
        """It must have ended by then, as nobody told: what is told later is true instead."""
        if self.ended(task, state, at_ms):
            task.error, task.is_concluded = why, True
