"""What workers of a Celery reserved, as it stands in `unacked` until they acknowledge it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import redis

from services.brokers import celery_event_words, celery_messages
from services.brokers.celery_tasks import Tasks
from services.brokers.model import State
from services.brokers.scores import scores

UNACKED, UNACKED_INDEX = "unacked", "unacked_index"
MOST_ASKED = 500
Route = Callable[[str, str], str]
"""The queue of an exchange and a routing key."""


class Held(NamedTuple):
    """A message that was not acknowledged."""

    id: str
    """Of its task."""
    queue: str
    state: State
    """`scheduled` as long as its worker waits for its time, then `reserved`; whether it is at work the message does not tell."""


class Unacked:
    def __init__(self, client: redis.Redis, tasks: Tasks, route: Route) -> None:
        self._client = client
        self._tasks = tasks
        self._route = route
        self.counts: Counter[tuple[str, State]] = Counter()
        """Messages of each queue in each state."""
        self._tags: dict[str, Held] = {}
        """What is known of it, by the messages' tags."""
        self._queues: dict[str, str] = {}
        """The queue of each task that a worker has."""
        self._due: dict[str, int] = {}
        """When the time of a message comes that waits for it, by its tag."""
        self._next_ms = math.inf
        """Before that none comes."""
        self._since = 0.0
        self._left: list[str] = []
        """Tasks that were acknowledged, or put back, by the last look."""
        self._is_behind = True

    @property
    def is_behind(self) -> bool:
        """Whether there is more to do than what was done so far."""
        return self._is_behind or bool(self._left)

    def lose(self) -> None:
        """It may have changed."""
        self._is_behind = True

    @property
    def left(self) -> int:
        """How many messages may have been put back since the look before."""
        return len(self._left)

    def holds(self, id: str) -> bool:
        """Whether a worker has this task and did not acknowledge it."""
        return id in self._queues

    def queue_of(self, id: str) -> str | None:
        """The queue of a task that a worker has and did not acknowledge."""
        return self._queues.get(id)

    def come_due(self, at_ms: int) -> None:
        """Notice whose time came."""
        if at_ms >= self._next_ms:
            for tag in [tag for tag, due_ms in self._due.items() if due_ms <= at_ms]:
                self._come_due(tag, at_ms)
            self._next_ms = min(self._due.values(), default=math.inf)

    def _begin(self, left: list[str], at_ms: int) -> None:
        """Celery acknowledges a task as it begins. Where events are on they say so better, and had a tick to do so. What was put back was
        found in its list, or another worker has it already."""
        for id in left:
            task = self._tasks.known(id)
            if task is None or task.worker is not None or not task.is_held or id in self._queues:
                continue
            is_early = task.due_ms is not None and task.due_ms > at_ms
            if task.state == "reserved" or (task.state in ("scheduled", "retrying") and not is_early):
                self._tasks.begun(self._tasks.task(id), at_ms, None, is_seen=True)

    def _come_due(self, tag: str, at_ms: int) -> None:
        """It waits for a free place in its worker from now on."""
        held = self._tags[tag]
        self._forget(tag)
        self._hold(tag, held._replace(state="reserved"))
        task = self._tasks.known(held.id)
        if task is not None and task.state in ("scheduled", "retrying") and (task.due_ms or at_ms) <= at_ms:
            self._tasks.to_state(self._tasks.task(held.id), "reserved", at_ms)

    def look(self, changed: set[str], at_ms: int) -> None:
        """Take in what came and went. Raises redis.RedisError."""
        left, self._left = self._left, []
        if self._is_behind or UNACKED in changed or UNACKED_INDEX in changed:
            self._read(at_ms)
        self._begin(left, at_ms)

    def _read(self, at_ms: int) -> None:
        with self._client.pipeline(transaction=False) as pipe:
            pipe.hlen(UNACKED)
            # Redis before 6.2 knows no other word for it.
            pipe.zrangebyscore(UNACKED_INDEX, self._since, "+inf", start=0, num=MOST_ASKED, withscores=True)
            number, found = pipe.execute()
        fresh = {
            tag.decode("utf-8", "replace"): score
            for tag, score in found
            if tag.decode("utf-8", "replace") not in self._tags
        }
        if fresh:
            self._take(list(fresh), at_ms)
        if found:
            # The last one is met again: others of the same moment may come.
            self._since = found[-1][1]
        gone = self._gone(number)
        self._is_behind = len(found) == MOST_ASKED or number < len(self._tags)
        for tag in gone:
            self._left.append(self._forget(tag))
        for tag in fresh:  # one that was put back may have been taken again
            if (held := self._tags.get(tag)) is not None:
                self._queues[held.id] = held.queue

    def _take(self, tags: list[str], at_ms: int) -> None:
        for tag, raw in zip(tags, self._client.hmget(UNACKED, tags), strict=True):
            read = celery_messages.reserved_of(raw) if raw is not None else None
            if read is None:
                continue
            message, exchange, routing_key = read
            queue = self._route(exchange, routing_key)
            task = celery_messages.is_reserved(self._tasks, message, queue, at_ms)
            if task is None:
                continue
            due_ms = celery_event_words.moment_ms(message.headers.get("eta"))
            if due_ms is None or due_ms <= at_ms:
                self._hold(tag, Held(task.id, queue, "reserved"))
            else:
                self._hold(tag, Held(task.id, queue, "scheduled"))
                self._due[tag], self._next_ms = due_ms, min(self._next_ms, due_ms)

    def _hold(self, tag: str, held: Held) -> None:
        self._tags[tag], self._queues[held.id] = held, held.queue
        self.counts[held.queue, held.state] += 1

    def _forget(self, tag: str) -> str:
        """The task that it was of."""
        held = self._tags.pop(tag)
        self._queues.pop(held.id, None)
        self._due.pop(tag, None)
        self.counts[held.queue, held.state] -= 1
        return held.id

    def _gone(self, number: int) -> list[str]:
        """Those of the known that were acknowledged or put back."""
        tags = self._tags
        if number >= len(tags):
            return []
        if number == 0:
            return list(tags)
        asked = list(tags)[: MOST_ASKED * 10]
        held = scores(self._client, UNACKED_INDEX, asked)
        if refused := next((one for one in held if isinstance(one, redis.ResponseError)), None):
            raise refused
        for tag in asked:
            tags[tag] = tags.pop(tag)  # the others next time
        return [tag for tag, score in zip(asked, held, strict=True) if score is None]
