"""The queues of a Celery whose broker is a Redis: those that are declared, and what bindings, messages and workers name.

Only what changed is asked for: the server says itself which keys did (`tracking`).
"""

from __future__ import annotations

from collections.abc import Iterable

import redis

from services.brokers.celery_lists import SEPARATOR, Lists, Since
from services.brokers.celery_tasks import Tasks
from services.brokers.celery_unacked import UNACKED, Unacked
from services.brokers.celery_waiting import MOST_UNREAD
from services.brokers.connections import asking
from services.brokers.mirror_texts import name_of
from services.brokers.model import QueueNow, State
from services.brokers.tracking import Changes

BINDING = "_kombu.binding."
MOST_QUEUES = 200
MOST_NOTED = 5
DEFAULT = "celery"
"""What Celery calls a queue that nobody named. It is watched, and shown once there is one."""


class Queues:
    """Follows lists and `unacked`. `names` are those that are watched: the declared, those that rules name, the default, and what is
    found."""

    def __init__(self, client: redis.Redis, tasks: Tasks, declared: Iterable[str], ruled: Iterable[str] = ()) -> None:
        self._client = client
        self._tasks = tasks
        self._lists = Lists(client, tasks)
        self._unacked = Unacked(client, tasks, self._routed)
        self._exchanges: set[str] = set()
        self._routes: dict[tuple[str, str], str] = {}
        self._exist: set[str] = set()
        self.names: list[str] = []
        for name in declared:
            self.add(name)
        for name in (*ruled, DEFAULT):
            self._watch(name, name)

    def add(self, name: str, exchange: str | None = None) -> None:
        """There is a queue of that name: watch it too, and those that are bound to its exchange."""
        self._watch(name, exchange or name)
        if name in self.names:
            self._exist.add(name)

    def _watch(self, name: str, exchange: str) -> None:
        self._exchanges.add(exchange)
        if (
            not name
            or name in self.names
            or len(self.names) >= MOST_QUEUES
            or "pidbox" in name
            or name.startswith("celeryev")
        ):
            return
        self.names.append(name)
        self._lists.add(name)

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What all keys that matter begin with."""
        return (*self.names, UNACKED, BINDING)

    @property
    def is_behind(self) -> bool:
        """Whether there is more to do than what was done so far."""
        return self._unacked.is_behind or self._lists.is_behind

    @property
    def seen(self) -> set[str] | None:
        """Ids of what was read since `reread`, while somebody compares them."""
        return self._lists.seen

    def reread(self) -> None:
        """Read all lists anew, bounded parts a tick, and note in `seen` what stands in them."""
        self._lists.reread()
        self._unacked.lose()

    def compared(self) -> None:
        """Nobody compares any more."""
        self._lists.seen = None

    def length(self, name: str) -> int:
        """Messages that wait in a queue."""
        return self._lists.length(name)

    def readable(self, name: str) -> int:
        """Those of them that are tasks."""
        return self._lists.length(name) - self._lists.unread().get(name, 0)

    def notes(self) -> Iterable[str]:
        """What stands in queues and makes no job, for the reader."""
        unread = self._lists.unread()
        for queue, number in list(unread.items())[:MOST_NOTED]:
            messages = (
                f"{number:,}{' or more' if number >= MOST_UNREAD else ''} {'message' if number == 1 else 'messages'}"
            )
            yield f"{messages} of the queue {name_of(queue)} can't be read: no JSON, or without the id of a task"
        if len(unread) > MOST_NOTED:
            yield f"messages of {len(unread) - MOST_NOTED} more queues can't be read"

    def holds(self, id: str) -> bool:
        """Whether a worker has this task and did not acknowledge it."""
        return self._unacked.holds(id)

    def tick(self, changes: Changes, at_ms: int) -> None:
        """Take in what changed. Raises BrokerError."""
        changed = {key.decode("utf-8", "replace") for key in changes.keys}
        if changes.lost:
            self._lists.lose()
            self._unacked.lose()
            changed |= {BINDING + exchange for exchange in self._exchanges}
        self._unacked.come_due(at_ms)
        with asking():
            self._find([key for key in changed if key.startswith(BINDING)])
            self._unacked.look(changed, at_ms)
            self._lists.look(changed, at_ms, self._unacked.left)

    def now(self, workers: dict[str, int] | None, paused: set[str], since: Since) -> tuple[QueueNow, ...]:
        """The queues by Celery's own counts; `workers` says how many listen to each, `since` since when a task waits."""
        counts: dict[str, dict[State, int]] = {
            name: {"queued": self._lists.length(name), "reserved": 0, "scheduled": 0, "started": 0}
            for name in self.names
        }
        for (queue, state), count in self._unacked.counts.items():
            if queue in counts:
                counts[queue][state] = count
        for task in self._tasks.started.values():
            if task.queue in counts:
                counts[task.queue]["started"] += 1
            if (held := self._unacked.queue_of(task.id)) in counts:  # it is acknowledged late
                counts[held]["reserved"] = max(0, counts[held]["reserved"] - 1)
        self._exist |= {name for name, each in counts.items() if any(each.values())}
        return tuple(
            QueueNow(
                name=name,
                paused=name in paused,
                counts={state: count for state, count in each.items() if count or state == "queued"},
                oldest_ms=self._lists.oldest_ms(name, since),
                workers=None if workers is None else workers.get(name, 0),
            )
            for name, each in counts.items()
            if name in self._exist
        )

    def _routed(self, exchange: str, routing_key: str) -> str:
        queue = self._routes.get((exchange, routing_key)) or routing_key
        self.add(queue, exchange)
        return queue

    def _find(self, bindings: list[str]) -> None:
        """Queues that are bound to an exchange that was heard of."""
        bindings = [key for key in bindings if "pidbox" not in key and not key.endswith("celeryev")]
        if not bindings:
            return
        with self._client.pipeline(transaction=False) as pipe:
            for key in bindings:
                pipe.smembers(key)
            answers = pipe.execute(raise_on_error=False)
        for key, members in zip(bindings, answers, strict=True):
            if not isinstance(members, set):
                continue
            exchange = key.removeprefix(BINDING)
            for member in members:
                routing_key, _, rest = member.decode("utf-8", "replace").partition(SEPARATOR)
                queue = rest.rpartition(SEPARATOR)[2]
                if queue:
                    self._routes[exchange, routing_key] = queue
                    self.add(queue, exchange)
