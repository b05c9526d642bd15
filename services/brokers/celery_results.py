"""What a Celery's result backend in a Redis tells of tasks: states of their own with progress, ends, results. Keys that changed are
read, as JSON alone; what was pickled shows as unreadable."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import redis

from services.brokers import celery_event_words as words
from services.brokers.celery_task import WAITING, Task, Why
from services.brokers.celery_tasks import Tasks
from services.brokers.connections import asking
from services.brokers.numbers import finite

PREFIX = "celery-task-meta-"
MOST_ASKED = 500
MOST_KEPT = 100_000
MOST_UNREAD = 10_000
_BEFORE = ("PENDING", "RECEIVED")
_AT_WORK = ("STARTED", *_BEFORE, "RETRY", "REVOKED", "SUCCESS", "FAILURE")
_TEXTS = ("message", "status", "description", "stage")


class Results:
    """Reads results of tasks whose key changed, a bounded part a tick."""

    def __init__(self, client: redis.Redis, tasks: Tasks) -> None:
        self._client = client
        self._tasks = tasks
        self._asked: dict[str, None] = {}
        self._later: list[str] = []
        self._unread: set[str] = set()

    def notes(self) -> Iterable[str]:
        """What is known of results that make no job, for the reader."""
        if number := len(self._unread):
            more = " or more" if number == MOST_UNREAD else ""
            yield f"{number:,}{more} {'result' if number == 1 else 'results'} of tasks of which nothing else is known can't be read: not JSON"

    @property
    def is_behind(self) -> bool:
        return bool(self._asked or self._later)

    def changed(self, keys: Iterable[bytes]) -> None:
        """These keys changed. Events tell of a beginning or an end as well, and with their time: they are let come first."""
        later, self._later = self._later, []
        for id in later:
            self.ask(id)
        for key in keys:
            if not key.startswith(PREFIX.encode()):
                continue
            id = key.decode("utf-8", "replace").removeprefix(PREFIX)
            if id in self._tasks.started:
                self.ask(id)
            elif len(self._later) < MOST_KEPT:
                self._later.append(id)

    def ask(self, id: str) -> None:
        """Look at the result of this task at the next tick."""
        if len(self._asked) < MOST_KEPT:
            self._asked[id] = None

    def asks(self, id: str) -> bool:
        """Whether this task's result is still to be looked at."""
        return id in self._asked

    def tick(self, at_ms: int) -> None:
        """Take in what changed. Raises BrokerError."""
        asked = []
        for id in list(self._asked):
            del self._asked[id]
            task = self._tasks.known(id)
            if task is None or not task.has_ended:
                asked.append(id)
            if len(asked) == MOST_ASKED:
                break
        if not asked:
            return
        with asking():
            metas = self._client.mget([PREFIX + id for id in asked])
        for id, meta in zip(asked, metas, strict=True):
            if meta is not None and not take(self._tasks, id, meta, at_ms) and len(self._unread) < MOST_UNREAD:
                self._unread.add(id)


def take(tasks: Tasks, id: str, raw: bytes | str, at_ms: int) -> bool:
    """Fold a result as it stands in its key. False where it can't be read and is of a task of which nothing else is known: whether that
    waits, is at work or has ended nobody can tell, so there is no job of it."""
    if not 0 < len(id) <= words.LONGEST:
        return True
    try:
        meta = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        meta = None
    if not isinstance(meta, dict) or not isinstance(meta.get("status"), str):
        if tasks.known(id) is None:
            return False
        task = tasks.task(id)
        task.metadata = task.metadata | {"unreadable": "result: it is not JSON, and Headway unpickles nothing"}
        return True
    if meta["status"] in _BEFORE and tasks.known(id) is None:
        return True
    _fold(tasks, tasks.task(id), meta, at_ms)
    return True


def _fold(tasks: Tasks, task: Task, meta: dict[str, Any], at_ms: int) -> None:
    status, told = meta["status"], meta.get("result")
    task.function = task.function or words.name_of(meta.get("name"))
    task.queue = task.queue or words.name_of(meta.get("queue"))
    if status in ("SUCCESS", "FAILURE", "REVOKED"):
        task.at_least(_counted(task, meta) or 0)
    if task.has_ended:
        return
    if children := _children(meta.get("children")):
        task.metadata = task.metadata | {"children": children}
    before, task.retry_result = task.retry_result, hash((repr(told), meta.get("traceback"))) if status == "RETRY" else 0
    if status in ("SUCCESS", "FAILURE", "REVOKED"):
        _ended(tasks, task, status, meta, words.moment_ms(meta.get("date_done")) or at_ms)
    elif status == "RETRY":
        task.retry_results += task.retry_result != before
        _tried_again(tasks, task, meta, at_ms)
    elif status not in _AT_WORK or status == "STARTED":
        worker = told.get("hostname") if status == "STARTED" and isinstance(told, dict) else meta.get("worker")
        if _is_at_work(task, meta, at_ms):
            attempt = _counted(task, meta)
            tasks.begun(task, at_ms, words.name_of(worker), attempt=attempt, is_seen=True)
            if status not in _AT_WORK:
                _goes_on(tasks, task, status, told)


def _counted(task: Task, meta: dict[str, Any]) -> int | None:
    """The attempt that a result is of; None where it does not say so, as without `result_extended`."""
    return task.numbered(words.retries_of(meta)) if isinstance(meta.get("retries"), int) else None


def _tried_again(tasks: Tasks, task: Task, meta: dict[str, Any], at_ms: int) -> None:
    counted = _counted(task, meta)
    attempt = task.retry_results + task.again if counted is None else counted
    if attempt < task.attempt and counted is None:
        # It stood there before, or its attempt is one that nobody saw begin.
        if task.is_heard or task.state not in WAITING:
            return
        attempt = task.attempt - 1
    if attempt not in task.said:  # or its worker said so better
        task.awaits_word_of(attempt)
        tasks.tried_again(task, attempt, at_ms, _why(tasks, meta))


def _is_at_work(task: Task, meta: dict[str, Any], at_ms: int) -> bool:
    """Whether a result says so of what is known: without its count it may still be of the attempt before."""
    if (attempt := _counted(task, meta)) is not None:
        return attempt >= task.attempt
    is_early = task.due_ms is not None and task.due_ms > at_ms
    return task.state not in WAITING or task.attempt == 1 or not (task.is_heard or is_early)


def _ended(tasks: Tasks, task: Task, status: str, meta: dict[str, Any], at_ms: int) -> None:
    if status == "SUCCESS":
        if tasks.ended(task, "finished", at_ms):
            task.result = tasks.mask.result(meta.get("result"))
    elif status == "FAILURE":
        if tasks.ended(task, "failed", at_ms):
            task.message, task.error, task.error_type = _why(tasks, meta)
    else:
        reason = _reason(meta.get("result"))
        at_work = reason == "terminated" or (reason is None and task.state == "started")
        if tasks.ended(task, "stopped" if at_work else "canceled", at_ms):
            task.error = task.message = "it expired before it began" if reason == "expired" else "revoked"
    task.worker = words.name_of(meta.get("worker")) or task.worker


def _reason(told: Any) -> str | None:
    """What a TaskRevokedError says: `revoked`, `expired`, or `terminated` at work."""
    said = told.get("exc_message") if isinstance(told, dict) else None
    return said[0] if isinstance(said, list) and said and isinstance(said[0], str) else None


def _why(tasks: Tasks, meta: dict[str, Any]) -> Why:
    told, traceback = meta.get("result"), meta.get("traceback")
    kind = said = None
    if isinstance(told, dict):
        kind = words.name_of(told.get("exc_type"))
        said = told.get("exc_message")
        said = said[0] if isinstance(said, list) and len(said) == 1 else said
    text = f"{kind}: {said}" if kind and said not in (None, [], "") else kind
    message = tasks.mask.text(text) if text else None
    if isinstance(traceback, str) and traceback:
        return Why(message, tasks.mask.text(traceback))
    return Why(message, message, kind)


def _goes_on(tasks: Tasks, task: Task, status: str, told: Any) -> None:
    """A state of the task's own: `PROGRESS` with `current` and `total`, or with `percent`."""
    task.stage = words.name_of(status) if status != "PROGRESS" else task.stage
    if not isinstance(told, dict):
        return
    percent = finite(told.get("percent", told.get("progress")))
    current, total = finite(told.get("current")), finite(told.get("total"))
    if current is not None and total:
        percent = 100 * current / total
    if percent is not None:
        task.progress = round(min(100.0, max(0.0, percent)), 2)
    text = next((told[name] for name in _TEXTS if isinstance(told.get(name), str)), None)
    if text is not None:
        task.message = tasks.mask.text(text)


def _children(told: Any) -> list[str]:
    """Ids of tasks that it added: each is `[[id, parent], …]`."""
    ids: list[str] = []
    for child in told if isinstance(told, list) else ():
        while isinstance(child, list) and child:
            child = child[0]
        if isinstance(child, str) and len(ids) < 100:
            ids.append(child[: words.LONGEST])
    return ids
