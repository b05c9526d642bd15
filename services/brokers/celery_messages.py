"""Messages of tasks as kombu keeps them in a Redis: their headers alone. A body is never looked at, whatever wrote it."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, field

from services.brokers import celery_event_words as words
from services.brokers.celery_task import ENDED, Task
from services.brokers.celery_tasks import Tasks
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
    retries = words.retries_of(message.headers)
    is_news = known is None or _is_news(known, message, retries)
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
    state: State = "retrying" if retries else "scheduled" if due_ms else "queued"
    if known is None:
        task.created_ms = task.enqueued_ms = at_ms if is_new else None
    elif known.state in ENDED or message.is_again:
        task.enqueued_ms = at_ms
    if task.state == "started" and task.numbered(retries) == task.attempt:
        tasks.given_back(task, state, at_ms)
    if tasks.queued_as(task, retries, due_ms, at_ms):
        task.worker = None
        tasks.to_state(task, state, at_ms)


def is_reserved(tasks: Tasks, message: Message, queue: str, at_ms: int) -> Task | None:
    """A worker has it and did not acknowledge it yet."""
    if message.id is None:
        return None
    known = tasks.known(message.id)
    retries = words.retries_of(message.headers)
    task = known if known is not None and known.queue is not None else tasks.task(message.id)
    task.queue, task.is_held = task.queue or queue, True
    if known is not None and (known.state in ENDED or not _is_later(known, retries)):
        return task
    task = tasks.task(message.id)
    _describe(tasks, task, message)
    due_ms = words.moment_ms(message.headers.get("eta"))
    tasks.queued_as(task, retries, due_ms, at_ms)
    state: State = "reserved"
    if due_ms is not None and due_ms > at_ms:
        state = "retrying" if retries else "scheduled"
    tasks.to_state(task, state, at_ms)
    return task


def _is_later(known: Task, retries: int) -> bool:
    """Whether what a worker has is more than what waits, or another attempt."""
    number = known.numbered(retries)
    return number > known.attempt or (number == known.attempt and known.state in ("queued", "scheduled"))


def _is_news(known: Task, message: Message, retries: int) -> bool:
    if known.state == "canceled" and message.is_again:
        return False  # by a worker that ends, which was told to pass it over
    if known.state in ENDED:
        return True  # events were taken before the list was read: it was sent once more
    if (number := known.numbered(retries)) != known.attempt:
        return number > known.attempt
    return message.is_again and (known.is_held or known.state in ("reserved", "started"))


def _describe(tasks: Tasks, task: Task, message: Message) -> None:
    headers = {name: message.headers[name] for name in _NAMES if name in message.headers}
    words.describe(tasks, task, headers)
    more: dict[str, Any] = {}
    if retries := words.retries_of(message.headers):
        more["retries"] = retries
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
