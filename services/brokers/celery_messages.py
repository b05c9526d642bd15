"""Messages of tasks as kombu keeps them in a Redis: their headers alone. A body is never looked at, whatever wrote it."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, field

from services.brokers import celery_event_words as words
from services.brokers.celery_tasks import ENDED, Task, Tasks
from services.brokers.model import State
from services.brokers.numbers import finite

_NAMES = ("id", "task", "argsrepr", "kwargsrepr", "eta", "expires", "retries", "root_id", "parent_id", "group")


class Properties(Struct):
    delivery_tag: str = ""
    correlation_id: Any = None
    priority: Any = None
    delivery_info: dict[str, Any] = {}


class Message(Struct):
    """An envelope without its body."""

    properties: Properties
    headers: dict[str, Any] = {}
    content_type: Any = field(default=None, name="content-type")

    @property
    def tag(self) -> str:
        return self.properties.delivery_tag

    @property
    def id(self) -> str | None:
        return words.name_of(self.headers.get("id") or self.properties.correlation_id)

    @property
    def is_again(self) -> bool:
        """Whether a worker had it before and did not acknowledge it."""
        return bool(self.headers.get("redelivered") or self.properties.delivery_info.get("redelivered"))


_message = msgspec.json.Decoder(Message)
_reserved = msgspec.json.Decoder(tuple[Message, Any, Any])


def message_of(raw: bytes | str) -> Message | None:
    """None where it is no message of kombu's."""
    try:
        return _message.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None


def reserved_of(raw: bytes | str) -> tuple[Message, str, str] | None:
    """What stands in `unacked`: the message, its exchange and its routing key."""
    try:
        message, exchange, routing_key = _reserved.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    return message, str(exchange), str(routing_key)


def waits(tasks: Tasks, message: Message, queue: str, at_ms: int, *, is_new: bool) -> None:
    """It stands in a queue's list, or did a moment ago; `is_new` where it came there just now."""
    if message.id is None:
        return
    known = tasks.known(message.id)
    attempt = words.attempt_of(message.headers)
    is_news = known is None or _is_news(known, message, attempt)
    if known is not None:
        known.is_held = False
    if known is not None and known.queue is not None and not is_news:
        return
    task = tasks.task(message.id)
    task.queue = task.queue or queue
    if not is_news:
        return
    _describe(tasks, task, message)
    due_ms = words.moment_ms(message.headers.get("eta"))
    if known is None:
        task.created_ms = task.enqueued_ms = at_ms if is_new else None
    elif not tasks.queued_as(task, attempt, due_ms, at_ms) and not message.is_again:
        return
    elif known.state in ENDED or message.is_again:
        task.enqueued_ms = at_ms
    task.attempt, task.due_ms, task.worker = attempt, due_ms, None
    state: State = "retrying" if attempt else "scheduled" if due_ms else "queued"
    tasks.to_state(task, state, at_ms)


def is_reserved(tasks: Tasks, message: Message, queue: str, at_ms: int) -> Task | None:
    """A worker has it and did not acknowledge it yet."""
    if message.id is None:
        return None
    known = tasks.known(message.id)
    attempt = words.attempt_of(message.headers)
    task = known if known is not None and known.queue is not None else tasks.task(message.id)
    task.queue, task.is_held = task.queue or queue, True
    if known is not None and (attempt < known.attempt or known.state not in ("queued", "scheduled")):
        return task
    task = tasks.task(message.id)
    _describe(tasks, task, message)
    task.attempt = max(task.attempt, attempt)
    task.due_ms = words.moment_ms(message.headers.get("eta"))
    state: State = "reserved"
    if task.due_ms is not None and task.due_ms > at_ms:
        state = "retrying" if attempt else "scheduled"
    tasks.to_state(task, state, at_ms)
    return task


def _is_news(known: Task, message: Message, attempt: int) -> bool:
    if known.state == "canceled" and message.is_again:
        return False  # by a worker that ends, which was told to pass it over
    if known.state in ENDED:
        return True  # events were taken before the list was read: it was sent once more
    if attempt != known.attempt:
        return attempt > known.attempt
    return message.is_again and (known.is_held or known.state in ("reserved", "started"))


def _describe(tasks: Tasks, task: Task, message: Message) -> None:
    headers = {name: message.headers[name] for name in _NAMES if name in message.headers}
    words.describe(tasks, task, headers)
    more: dict[str, Any] = {}
    if attempt := words.attempt_of(message.headers):
        more["retries"] = attempt
    limits = message.headers.get("timelimit")
    if isinstance(limits, list) and limits and finite(limits[0]) is not None:
        more["timeout_s"] = limits[0]
    if priority := words.whole(message.properties.priority):
        more["priority"] = priority
    if isinstance(message.headers.get("origin"), str):
        more["origin"] = words.name_of(message.headers["origin"])
    if isinstance(group := message.headers.get("group"), str):
        more["group"] = words.name_of(group)
    if task.function is None:
        more["unreadable"] = "its message is not of Celery's protocol 2"
    if more:
        task.metadata = task.metadata | more
