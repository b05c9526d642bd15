"""One task of Celery's: what is known of it, and which attempt it is at.

Attempts are counted from 1: Celery's `retries`, the attempt itself, and how often it began anew without Celery's counting that. What it
never said is not guessed: a task is at this attempt at least.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import Struct, structs

from services.brokers.model import EngineJob, Former, State

SENT_LATE_MS = 1_000
"""What is sent is told of as much later at most, when a worker may have done it already."""
ENDED: tuple[State, ...] = ("finished", "failed", "stopped", "canceled", "deleted")
WAITING: tuple[State, ...] = ("queued", "scheduled", "retrying", "reserved")


class Why(NamedTuple):
    """Why an attempt failed. The mirror reads the type of a traceback's end where none is told."""

    message: str | None = None
    error: str | None = None
    error_type: str | None = None


NO_WORD = Why()


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

    def note(self, attempt: int, **known: Any) -> None:
        """Something is known of an attempt before."""
        self.formers[attempt] = structs.replace(self.formers.get(attempt, Former(attempt=attempt)), **known)

    def explain(self, at_ms: int, why: Why) -> None:
        """It waits as the attempt before failed then."""
        self.message, self.error, self.error_type = why
        self.ended_ms = at_ms

    def count_anew(self, again: int) -> None:
        """Celery's count begins where it was before, or anew: nobody says more of attempts before, nor does it tell of those to come."""
        self.again, self.retry_results = again, 0
        self.unbegun, self.unsaid = (), ()
        self.is_said_of(self.attempt)

    def go_to(self, attempt: int) -> None:
        """What follows is of this attempt. What it was before is told first where it began."""
        if self.state not in WAITING:
            self.untold.append(self.job())
        self.attempt = attempt
        self.started_ms = self.ended_ms = self.due_ms = self.stage = self.progress = None
        self.message = self.error = self.error_type = self.result = None

    def at_least(self, attempt: int) -> None:
        """It is, or ended, at that attempt, as who knows says, or at a later one."""
        if attempt <= self.attempt:
            return
        if self.state not in ENDED:
            self.go_to(attempt)
        elif self.started_ms is not None:
            self.note(self.attempt, started_ms=self.started_ms)
            self.started_ms = None
        self.attempt = attempt

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
