"""The tasks that were heard of lately, each folded from what events, lists and results say of it, in whatever order that comes.

Times are the sender's own. What is older than what is known already adds facts and takes nothing back.

Attempts are counted from 1: Celery's `retries`, the attempt itself, and how often it began anew without Celery's counting that. What it
never said is not guessed: a task is at this attempt at least.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from msgspec import Struct, structs

from services.brokers.masking import Mask
from services.brokers.model import EngineJob, Former, State

MOST = 20_000
"""So many tasks are remembered beyond those that are to be told."""
SENT_LATE_MS = 1_000
"""What is sent is told of as much later at most, when a worker may have done it already."""
ENDED: tuple[State, ...] = ("finished", "failed", "stopped", "canceled", "deleted")
WAITING: tuple[State, ...] = ("queued", "scheduled", "retrying", "reserved")


class Task(Struct):
    """One task."""

    id: str
    state: State = "queued"
    attempt: int = 1
    """The one that its state is of, or that it waits for."""
    again: int = 0
    """How many more than Celery counts: it was given back, or sent once more after its end."""
    received: tuple[int, ...] = ()
    """Attempts that workers said they received."""
    unbegun: tuple[int, ...] = ()
    """Those of them that none said it began, in the order in which that will be said."""
    unsaid: tuple[int, ...] = ()
    """Attempts of which their worker is still to say how they ended."""
    said: tuple[int, ...] = ()
    """Attempts of which a worker said that they are tried again, or none will."""
    retry_results: int = 0
    """How many results that said RETRY were read: at least so many attempts are over, whether the results say their count or not."""
    retry_result: int = 0
    """Which of them was read last; 0 once another state was."""
    formers: dict[int, Former] = {}
    """What is to be told of attempts before."""
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
    """Of this attempt."""
    ended_ms: int | None = None
    """Of this attempt, or of the one before that it waits to be tried again."""
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
    untold: list[EngineJob] = []
    """What is to be told before what it is now."""

    @property
    def has_ended(self) -> bool:
        """Whether somebody who knows said so."""
        return self.state in ENDED and not self.is_concluded

    @property
    def waits_since_ms(self) -> int | None:
        """When it was enqueued. Its sender notes that a moment late: a worker may have begun it already."""
        sent, began = self.enqueued_ms, self.started_ms
        is_late = sent is not None and began is not None and began < sent <= began + SENT_LATE_MS
        return began if is_late else sent

    @property
    def came_ms(self) -> int | None:
        """When it was created, which is noted as late."""
        created, waits = self.created_ms, self.waits_since_ms
        return created if created is None or waits is None else min(created, waits)

    def numbered(self, retries: int) -> int:
        """Which attempt that of a count of Celery's is."""
        return retries + 1 + self.again

    def awaits_word_of(self, attempt: int) -> None:
        """Its worker is to say how that attempt ended."""
        if attempt not in self.said and attempt not in self.unsaid:
            self.unsaid += (attempt,)

    def is_said_of(self, attempt: int) -> None:
        """Its worker said how that attempt ended, or never will."""
        self.said += (attempt,)
        self.unsaid = tuple(one for one in self.unsaid if one != attempt)

    def job(self) -> EngineJob:
        failed = self.state in ("failed", "stopped", "canceled", "deleted", "retrying")
        return EngineJob(
            id=self.id,
            state=self.state,
            queue=self.queue,
            function=self.function,
            title=self.title,
            worker=self.worker,
            created_ms=self.came_ms,
            enqueued_ms=self.waits_since_ms,
            started_ms=self.started_ms,
            ended_ms=self.ended_ms,
            due_ms=self.due_ms if self.state in ("scheduled", "retrying") else None,
            stage=self.stage,
            progress=self.progress,
            attempt=self.attempt,
            former=tuple(self.formers.values()),
            message=self.message if failed or self.state not in WAITING else None,
            error=self.error if failed else None,
            error_type=self.error_type if failed else None,
            result=self.result,
            metadata=self.metadata,
        )


class Why(NamedTuple):
    """Why an attempt failed. The mirror reads the type of a traceback's end where none is told."""

    message: str | None = None
    error: str | None = None
    error_type: str | None = None


NO_WORD = Why()


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
                self.at_least(task, number)
                return False
            if number <= task.attempt:  # it was sent once more
                _count_anew(task, task.attempt - retries)
            self._go_to(task, task.numbered(retries))
        elif number > task.attempt:
            self._go_to(task, number)
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
            _note(task, attempt, started_ms=at_ms)
            return attempt
        if task.state in ENDED:
            # A worker tells of a beginning a moment late; what was canceled may begin still, with one that was not told so.
            if at_ms <= (task.ended_ms or 0) or (task.has_ended and task.state != "canceled"):
                task.started_ms = task.started_ms or at_ms
                return attempt
            _count_anew(task, task.again + 1)
            attempt += 1
        elif task.state == "started" and attempt == task.attempt:
            if task.is_start_seen and task.started_ms is not None and at_ms < task.started_ms:
                task.started_ms = at_ms
            task.worker = task.worker or worker
            return attempt
        self._go_to(task, attempt)
        task.started_ms, task.is_start_seen = at_ms, is_seen
        task.worker = worker or task.worker
        self.to_state(task, "started", at_ms)
        return attempt

    def tried_again(self, task: Task, attempt: int, at_ms: int, why: Why) -> None:
        """An attempt failed, and Celery tries it again."""
        _note(task, attempt, ended_ms=at_ms, error=why.error)
        if task.has_ended:
            self.at_least(task, attempt + 1)
        elif attempt >= task.attempt:
            self._go_to(task, attempt + 1)
            _explain(task, at_ms, why)
            self.to_state(task, "retrying", at_ms)
        elif attempt == task.attempt - 1 and task.state == "retrying":
            _explain(task, at_ms, why)

    def given_back(self, task: Task, state: State, at_ms: int, why: Why = NO_WORD) -> None:
        """Its attempt is to begin anew, which Celery does not count."""
        _note(task, task.attempt, ended_ms=at_ms, error=why.error)
        _count_anew(task, task.again + 1)
        self._go_to(task, task.attempt + 1)
        _explain(task, at_ms, why)
        self.to_state(task, state, at_ms)

    def at_least(self, task: Task, attempt: int) -> None:
        """It is, or ended, at that attempt, as who knows says, or at a later one."""
        if attempt <= task.attempt:
            return
        if task.state not in ENDED:
            self._go_to(task, attempt)
        elif task.started_ms is not None:
            _note(task, task.attempt, started_ms=task.started_ms)
            task.started_ms = None
        task.attempt = attempt

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

    def _go_to(self, task: Task, attempt: int) -> None:
        """What follows is of this attempt. What it was before is told first where it began."""
        if task.state not in WAITING:
            task.untold.append(task.job())
        task.attempt = attempt
        task.started_ms = task.ended_ms = task.due_ms = task.stage = task.progress = None
        task.message = task.error = task.error_type = task.result = None


def _note(task: Task, attempt: int, **known: Any) -> None:
    """Something is known of an attempt before."""
    task.formers[attempt] = structs.replace(task.formers.get(attempt, Former(attempt=attempt)), **known)


def _explain(task: Task, at_ms: int, why: Why) -> None:
    """It waits as the attempt before failed then."""
    task.message, task.error, task.error_type = why
    task.ended_ms = at_ms


def _count_anew(task: Task, again: int) -> None:
    """Celery's count begins where it was before, or anew: nobody says more of attempts before, nor does it tell of those to come."""
    task.again, task.retry_results = again, 0
    task.unbegun, task.unsaid = (), ()
    task.is_said_of(task.attempt)
