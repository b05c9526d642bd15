"""What each event of a task says of it: `task-sent`, `task-received`, `task-started` and the others, as workers and senders write
them. Everything in them is from outside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from services.brokers import celery_texts
from services.brokers.celery_task import SENT_LATE_MS, Task, Why
from services.brokers.celery_tasks import Tasks
from services.brokers.model import State
from services.brokers.numbers import finite

Event = dict[str, Any]
LATEST_MS = 253_402_300_799_000
_ARGUMENTS = ("args", "argsrepr", "kwargs", "kwargsrepr")
LONGEST = 200
"""Characters of a name."""


def take(tasks: Tasks, event: Event) -> None:
    """Fold one event. What is no event of a task is passed over."""
    kind, id, at_ms = event.get("type"), event.get("uuid"), moment_ms(event.get("timestamp"))
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is None or at_ms is None or not isinstance(id, str) or not 0 < len(id) <= LONGEST:
        return
    task = tasks.task(id)
    task.is_heard = task.is_heard or kind != "task-sent"
    read(tasks, task, event, at_ms)


def moment_ms(said: object) -> int | None:
    """A time in seconds since the epoch, or as ISO 8601 (UTC where it names no zone), in milliseconds."""
    try:
        if isinstance(said, str):
            moment = datetime.fromisoformat(said)
            said = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    seconds = finite(said)
    return int(seconds * 1000) if seconds is not None and 1 <= seconds * 1000 < LATEST_MS else None


def whole(said: object) -> int | None:
    """A number of things, or one that names something."""
    number = finite(said)
    return None if number is None else int(number)


def name_of(said: object) -> str | None:
    return said[:LONGEST] if isinstance(said, str) and said else None


def describe(tasks: Tasks, task: Task, said: Event) -> None:
    """What an event or a message's headers tell of a task besides its state."""
    task.function = task.function or name_of(said.get("name") or said.get("task"))
    more: Event = {}
    if not ("args" in task.metadata or "kwargs" in task.metadata):
        more = celery_texts.arguments(
            tasks.mask, said.get("args", said.get("argsrepr")), said.get("kwargs", said.get("kwargsrepr"))
        )
    if (parent := name_of(said.get("parent_id"))) not in (None, task.id):
        more["parent"] = parent
    if (root := name_of(said.get("root_id"))) not in (None, task.id):
        more["root"] = root
    if (expires := moment_ms(said.get("expires"))) is not None:
        more["expires_ms"] = expires
    if more:
        task.metadata = task.metadata | more
    if task.title is None and task.function and any(said.get(name) is not None for name in _ARGUMENTS):
        task.title = tasks.mask.title(task.function, celery_texts.call(task.function, task.metadata))


def retries_of(said: Event) -> int:
    retries = said.get("retries")
    return retries if isinstance(retries, int) and 0 <= retries < 1_000_000 else 0


def _sent(tasks: Tasks, task: Task, event: Event, at_ms: int) -> None:
    describe(tasks, task, event)
    task.queue = name_of(event.get("queue")) or task.queue
    retries, due_ms = retries_of(event), moment_ms(event.get("eta"))
    if retries == 0:
        task.created_ms = min(task.created_ms or at_ms, at_ms)
    was_attempt, was_state = task.attempt, task.state
    waits = tasks.queued_as(task, retries, due_ms, at_ms - SENT_LATE_MS)
    is_at_work = task.state == "started" and at_ms > (task.started_ms or 0) + SENT_LATE_MS
    if task.numbered(retries) == task.attempt and not is_at_work:
        task.enqueued_ms = at_ms
    if not waits or (task.attempt == was_attempt and was_state == "reserved"):
        return
    tasks.to_state(task, "retrying" if retries else "scheduled" if due_ms else "queued", at_ms)


def _received(tasks: Tasks, task: Task, event: Event, at_ms: int) -> None:
    describe(tasks, task, event)
    if task.state == "canceled":
        return  # by a worker that was not told so: it begins anew if it begins
    retries, due_ms, worker = retries_of(event), moment_ms(event.get("eta")), name_of(event.get("hostname"))
    number = task.numbered(retries)
    if task.state == "started" and number == task.attempt and number in task.received:
        if task.function not in (None, name_of(event.get("name"))):
            _replaced(tasks, task, event)
            return
        tasks.given_back(task, "reserved", at_ms)  # its worker was lost, as nobody noticed yet
    waits = tasks.queued_as(task, retries, due_ms, at_ms)
    number = task.numbered(retries)
    if number not in task.received:
        task.received += (number,)
        task.unbegun += (number,)
        if number > 1:
            task.awaits_word_of(number - 1)
    if not waits:
        task.worker = task.worker or worker
        return
    task.worker = worker or task.worker
    state: State = "reserved"
    if due_ms is not None and due_ms > at_ms:
        state = "retrying" if retries else "scheduled"
    tasks.to_state(task, state, at_ms)


def _replaced(tasks: Tasks, task: Task, event: Event) -> None:
    """By `self.replace()`, which sends another task under its id: to who waits for it, its attempt goes on."""
    task.function = task.title = None
    task.metadata = {name: value for name, value in task.metadata.items() if name not in ("args", "kwargs")}
    task.unbegun += (task.attempt,)
    describe(tasks, task, event)


def _started(tasks: Tasks, task: Task, event: Event, at_ms: int) -> None:
    """Of which attempt it is not said. The next one may have been received before; and where its being received was missed, what began
    before the task waited is the attempt before."""
    attempt = task.unbegun[0] if task.unbegun else task.attempt
    task.unbegun = task.unbegun[1:]
    if attempt > 1 and attempt not in task.received and (task.has_ended or at_ms <= task.heard_ms):
        attempt -= 1
    task.awaits_word_of(tasks.begun(task, at_ms, name_of(event.get("hostname")), attempt=attempt))


def _succeeded(tasks: Tasks, task: Task, event: Event, at_ms: int) -> None:
    task.is_said_of(task.attempt)
    _took(task, event, at_ms)
    if tasks.ended(task, "finished", at_ms):
        task.worker = name_of(event.get("hostname")) or task.worker
        task.result = None if event.get("result") == "None" else celery_texts.value(tasks.mask, event.get("result"))


def _failed(tasks: Tasks, task: Task, event: Event, at_ms: int) -> None:
    task.is_said_of(task.attempt)
    if task.state in ("stopped", "canceled"):
        return
    if tasks.ended(task, "failed", at_ms):
        task.worker = name_of(event.get("hostname")) or task.worker
        task.message, task.error, task.error_type = _why(tasks, event)


def _retried(tasks: Tasks, task: Task, event: Event, at_ms: int) -> None:
    """Each attempt but the last says so once, without its count; another worker may have begun the next one before."""
    if task.unsaid:
        attempt = min(task.unsaid)
    elif task.attempt > 1 and task.attempt - 1 not in task.said:
        attempt = task.attempt - 1
    elif not task.said and not task.received:
        attempt = task.attempt
    else:
        return  # of one that was missed
    task.is_said_of(attempt)
    tasks.tried_again(task, attempt, at_ms, _why(tasks, event))


def _rejected(tasks: Tasks, task: Task, event: Event, at_ms: int) -> None:
    if task.has_ended:
        return
    if event.get("requeue"):
        if task.state == "started":
            tasks.given_back(task, "queued", at_ms)
        task.enqueued_ms = at_ms
    elif tasks.ended(task, "failed", at_ms):
        task.error = task.message = "its worker rejected it"


def _revoked(tasks: Tasks, task: Task, event: Event, at_ms: int) -> None:
    if task.has_ended:
        return
    at_work = bool(event.get("terminated")) or task.state == "started"
    tasks.ended(task, "stopped" if at_work else "canceled", at_ms)
    task.worker = name_of(event.get("hostname")) or task.worker
    task.message = "it expired before it began" if event.get("expired") else "revoked"
    task.error = task.message


def _cancelled(tasks: Tasks, task: Task, event: Event, at_ms: int) -> None:
    """Celery gave it up at work, for it lost its broker, and begins it anew."""
    if task.state == "started":
        tasks.given_back(task, "retrying", at_ms, Why("given up by its worker, which lost the broker"))


def _took(task: Task, event: Event, at_ms: int) -> None:
    """Since when it was at work, where its start was not heard."""
    runtime = finite(event.get("runtime"))
    if runtime is not None and 0 <= runtime < 1e8:
        task.metadata = task.metadata | {"runtime_s": round(runtime, 3)}
        if task.started_ms is None:
            task.started_ms = at_ms - int(runtime * 1000)


def _why(tasks: Tasks, event: Event) -> Why:
    said = celery_texts.text(tasks.mask, event.get("exception"))
    traceback = event.get("traceback")
    if not isinstance(traceback, str) or not traceback:
        return Why(said, said, name_of((said or "").partition("(")[0]))
    traceback = tasks.mask.text(traceback)
    if event.get("type") == "task-retried":
        said = traceback.rstrip().rpartition("\n")[2].removeprefix("celery.exceptions.Retry: ")
    return Why(said, traceback)


_READERS: dict[str, Callable[[Tasks, Task, Event, int], None]] = {
    "task-sent": _sent,
    "task-received": _received,
    "task-started": _started,
    "task-succeeded": _succeeded,
    "task-failed": _failed,
    "task-retried": _retried,
    "task-rejected": _rejected,
    "task-revoked": _revoked,
    "task-cancelled": _cancelled,
}
