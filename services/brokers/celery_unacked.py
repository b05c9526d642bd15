"""What workers of a Celery reserved, as it stands in `unacked` until they acknowledge it."""

from __future__ import annotations

from collections.abc import Callable

import redis

from services.brokers import celery_messages
from services.brokers.celery_tasks import Tasks

UNACKED, UNACKED_INDEX = "unacked", "unacked_index"
MOST_ASKED = 500
Route = Callable[[str, str], str]
"""The queue of an exchange and a routing key."""


class Unacked:
    def __init__(self, client: redis.Redis, tasks: Tasks, route: Route) -> None:
        self._client = client
        self._tasks = tasks
        self._route = route
        self.tags: dict[str, tuple[str, str]] = {}
        """What is known of it: of each message its task and queue, by its tag."""
        self._ids: set[str] = set()
        self._since = 0.0
        self._left: list[str] = []
        """Tasks that were acknowledged, or put back, at the last look."""
        self._is_behind = True

    @property
    def is_behind(self) -> bool:
        """Whether there is more to do than what was done so far."""
        return self._is_behind or bool(self._left)

    def lose(self) -> None:
        """It may have changed."""
        self._is_behind = True

    def holds(self, id: str) -> bool:
        """Whether a worker has this task and did not acknowledge it."""
        return id in self._ids

    def begin(self, at_ms: int) -> None:
        """Celery acknowledges a task as it begins. Where events are on they say so better, and had a tick to do so."""
        left, self._left = self._left, []
        for id in left:
            task = self._tasks.known(id)
            if task is not None and task.worker is None and task.state in ("reserved", "scheduled", "retrying"):
                self._tasks.begun(self._tasks.task(id), at_ms, None, is_seen=True)

    def look(self, changed: set[str], at_ms: int) -> None:
        """Take in what came and went. Raises redis.RedisError."""
        if not (self._is_behind or UNACKED in changed or UNACKED_INDEX in changed):
            return
        with self._client.pipeline(transaction=False) as pipe:
            pipe.hlen(UNACKED)
            pipe.zrange(UNACKED_INDEX, self._since, "+inf", byscore=True, offset=0, num=MOST_ASKED, withscores=True)
            number, found = pipe.execute()
        fresh = {
            tag.decode("utf-8", "replace"): score
            for tag, score in found
            if tag.decode("utf-8", "replace") not in self.tags
        }
        if fresh:
            self._take(list(fresh), at_ms)
        if found:
            # The last one is met again: others of the same moment may come.
            self._since = found[-1][1]
        gone = self._gone(number)
        self._is_behind = len(found) == MOST_ASKED or number < len(self.tags)
        for tag in gone:
            id, _ = self.tags.pop(tag)
            self._ids.discard(id)
            self._left.append(id)

    def _take(self, tags: list[str], at_ms: int) -> None:
        for tag, raw in zip(tags, self._client.hmget(UNACKED, tags), strict=True):
            read = celery_messages.reserved_of(raw) if raw is not None else None
            if read is None:
                continue
            message, exchange, routing_key = read
            queue = self._route(exchange, routing_key)
            task = celery_messages.is_reserved(self._tasks, message, queue, at_ms)
            if task is not None:
                self.tags[tag] = (task.id, queue)
                self._ids.add(task.id)

    def _gone(self, number: int) -> list[str]:
        """Those of the known that were acknowledged or put back."""
        tags = self.tags
        if number >= len(tags):
            return []
        if number == 0:
            return list(tags)
        asked = list(tags)[: MOST_ASKED * 10]
        scores = self._client.zmscore(UNACKED_INDEX, asked)
        for tag in asked:
            tags[tag] = tags.pop(tag)  # the others next time
        return [tag for tag, score in zip(asked, scores, strict=True) if score is None]
