"""What each event of a task says of it: `task-sent`, `task-received`, `task-started` and the others, as workers and senders write
them. Everything in them is from outside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from services.brokers import celery_texts
from services.brokers.celery_tasks import SENT_LATE_MS, Task, Tasks
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


def attempt_of(said: Event) -> int:
    retries = whole(said.get("retries"))
    return retries if retries is not None and 0 <= retries < 1_000_000 else 0


def _sent(tasks: Tasks, task: Task, event: Event, at_ms: int) -> None:
    describe(tasks, task, event)
    task.queue = name_of(event.get("queue")) or task.queue
    attempt, due_ms = attempt_of(event), moment_ms(event.get("eta"))
    if attempt == 0:
        task.created_ms = min(task.created_ms or at_ms, at_ms)
    if attempt == 0 or attempt > task.attempt:
        task.enqueued_ms = at_ms
    if not tasks.queued_as(task, attempt, due_ms, at_ms - SENT_LATE_MS):
        return
    if attempt:
        tasks.to_state(task, "retrying", at_ms)
    elif task.state != "reserved":
        tasks.to_state(task, "scheduled" if due_ms else "queued", at_ms)


def _received(tasks: Tasks, task: Task, event: Event, at_ms: int) -> None:
    describe(tasks, task, event)
    if task.state == "canceled":
        return  # by a worker that was not told so: it begins anew if it begins
    attempt, due_ms = attempt_of(event), moment_ms(event.get("eta"))
    if not tasks.queued_as(task, attempt, due_ms, at_ms):
        task.worker = task.worker or name_of(event.get("hostname"))
        return
    task.worker = name_of(event.get("hostname")) or task.worker
    state: State = "reserved"
    if due_ms is not None and due_ms > at_ms:
        state = "retrying" if attempt else "scheduled"
    tasks.to_state(task, state, at_ms)


def _started(tasks: Tasks, task: Task, event: Event, at_ms: int) -> None:
    tasks.begun(task, at_ms, name_of(event.get("hostname")))


def _succeeded(tasks: Tasks, task: Task, event: Event, at_ms: int) -> None:
    _took(task, event, at_ms)
    if tasks.ended(task, "finished", at_ms):
        task.worker = name_of(event.get("hostname")) or task.worker
        task.result = None if event.get("result") == "None" else celery_texts.value(tasks.mask, event.get("result"))


def _failed(tasks: Tasks, task: Task, event: Event, at_ms: int) -> None:
    if task.state in ("stopped", "canceled"):
        return
    if tasks.ended(task, "failed", at_ms):
        task.worker = name_of(event.get("hostname")) or task.worker
        why = _why(tasks, event)
        task.message, task.error, task.error_type = why["message"], why["error"], why["error_type"]


def _retried(tasks: Tasks, task: Task, event: Event, at_ms: int) -> None:
    """Each attempt but the last says so once, where it was heard; another worker may have begun the next one before."""
    attempt, task.retried = task.retried, task.retried + 1
    why = _why(tasks, event)
    if attempt < task.began:
        for place, (of, job) in enumerate(task.untold):
            if of == attempt:
                task.untold.insert(place + 1, (of, structs.replace(job, state="retrying", ended_ms=at_ms, **why)))
                return
        return
    if task.has_ended:
        return
    if task.state == "started":
        tasks.before(task)
    task.message, task.error, task.error_type = why["message"], why["error"], why["error_type"]
    task.ended_ms = at_ms
    tasks.to_state(task, "retrying", at_ms)


def _rejected(tasks: Tasks, task: Task, event: Event, at_ms: int) -> None:
    if task.has_ended:
        return
    if event.get("requeue"):
        task.enqueued_ms = at_ms
        tasks.to_state(task, "queued", at_ms)
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
        task.message = "given up by its worker, which lost the broker"
        tasks.to_state(task, "retrying", at_ms)


def _took(task: Task, event: Event, at_ms: int) -> None:
    """Since when it was at work, where its start was not heard."""
    runtime = finite(event.get("runtime"))
    if runtime is not None and 0 <= runtime < 1e8:
        task.metadata = task.metadata | {"runtime_s": round(runtime, 3)}
        if task.started_ms is None:
            task.started_ms = at_ms - int(runtime * 1000)


def _why(tasks: Tasks, event: Event) -> dict[str, str | None]:
    """Message, error and its type; the mirror reads the type of a traceback's end."""
    said = celery_texts.text(tasks.mask, event.get("exception"))
    traceback = event.get("traceback")
    if not isinstance(traceback, str) or not traceback:
        return {"message": said, "error": said, "error_type": name_of((said or "").partition("(")[0])}
    traceback = tasks.mask.text(traceback)
    if event.get("type") == "task-retried":
        said = traceback.rstrip().rpartition("\n")[2].removeprefix("celery.exceptions.Retry: ")
    return {"message": said, "error": traceback, "error_type": None}


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
