"""The queues of a Celery whose broker is a Redis: lists by name and priority, and what workers reserved, in `unacked`.

Only what changed is asked for: the server says itself which keys did (`tracking`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import redis

from services.brokers import celery_messages
from services.brokers.celery_tasks import Tasks
from services.brokers.connections import asking
from services.brokers.model import QueueNow, State
from services.brokers.tracking import Changes

BINDING = "_kombu.binding."
SEPARATOR = "\x06\x16"
STEPS = (0, 3, 6, 9)
"""Kombu's priorities: the list of the first has the queue's own name."""
UNACKED, UNACKED_INDEX = "unacked", "unacked_index"
MOST_MESSAGES = 1_000
"""Looked at in a tick, of each list."""
MOST_BYTES = 1_000_000
MOST_ASKED = 500
MOST_QUEUES = 200
DEFAULT = "celery"
Since = Callable[[str], int | None]


@dataclass
class Waiting:
    """What is known of one list: its first `known` messages, from `newest` to `edge`, tags of messages."""

    queue: str
    length: int = 0
    known: int = 0
    newest: str = ""
    edge: str = ""
    next: str | None = None
    """The task that a worker takes first, and since when it waits, once that was asked."""
    next_since_ms: int | None = None
    each_bytes: int = 2_000
    is_behind: bool = True
    is_read: bool = False
    """Whether it was looked at before, so that what comes from now on is new."""

    @property
    def chunk(self) -> int:
        return max(1, min(200, MOST_BYTES // max(1, self.each_bytes)))


@dataclass
class Reserved:
    """What stands in `unacked`, by tag."""

    tags: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Tag to task and queue."""
    ids: set[str] = field(default_factory=set)
    since: float = 0.0
    is_behind: bool = True


class Queues:
    """Follows lists and `unacked`. `names` are those that are declared; others are found."""

    def __init__(self, client: redis.Redis, tasks: Tasks, names: Iterable[str]) -> None:
        self._client = client
        self._tasks = tasks
        self._lists: dict[str, Waiting] = {}
        self._exchanges: set[str] = set()
        self._routes: dict[tuple[str, str], str] = {}
        self._reserved = Reserved()
        self._left: list[str] = []
        self.seen: set[str] | None = None
        """Ids of what was read since `reread`, while somebody compares them."""
        self.names: list[str] = []
        for name in (*names, DEFAULT):
            self.add(name)

    def add(self, name: str, exchange: str | None = None) -> None:
        """Watch a queue of that name too, and those that are bound to its exchange."""
        self._exchanges.add(exchange or name)
        if (
            not name
            or name in self.names
            or len(self.names) >= MOST_QUEUES
            or "pidbox" in name
            or name.startswith("celeryev")
        ):
            return
        self.names.append(name)
        for step in STEPS:
            self._lists[f"{name}{SEPARATOR}{step}" if step else name] = Waiting(name)

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What all keys that matter begin with."""
        return (*self.names, UNACKED, BINDING)

    @property
    def is_behind(self) -> bool:
        """Whether there is more to do than what was done so far."""
        return (
            bool(self._left) or self._reserved.is_behind or any(waiting.is_behind for waiting in self._lists.values())
        )

    def reread(self) -> None:
        """Read all lists anew, bounded parts a tick, and note in `seen` what stands in them."""
        self.seen = set()
        for waiting in self._lists.values():
            waiting.known, waiting.newest, waiting.edge = 0, "", ""
            waiting.is_behind, waiting.is_read = True, False
        self._reserved.is_behind = True

    def length(self, name: str) -> int:
        """Messages that wait in a queue."""
        return sum(waiting.length for waiting in self._lists.values() if waiting.queue == name)

    def holds(self, id: str) -> bool:
        """Whether a worker has this task and did not acknowledge it."""
        return id in self._reserved.ids

    def tick(self, changes: Changes, at_ms: int) -> None:
        """Take in what changed. Raises BrokerError."""
        changed = {key.decode("utf-8", "replace") for key in changes.keys}
        if changes.lost:
            for waiting in self._lists.values():
                waiting.is_behind = True
            self._reserved.is_behind = True
            changed |= {BINDING + exchange for exchange in self._exchanges}
        self._begun(at_ms)
        with asking():
            self._find([key for key in changed if key.startswith(BINDING)])
            if self._reserved.is_behind or UNACKED in changed or UNACKED_INDEX in changed:
                self._look_reserved(at_ms)
            looked = [key for key, waiting in self._lists.items() if waiting.is_behind or key in changed]
            self._look_lists(looked, at_ms)

    def now(self, workers: dict[str, int] | None, paused: set[str], since: Since, at_ms: int) -> tuple[QueueNow, ...]:
        """The queues by Celery's own counts; `workers` says how many listen to each, `since` since when a task waits."""
        counts: dict[str, dict[State, int]] = {
            name: {"queued": 0, "reserved": 0, "scheduled": 0, "started": 0} for name in self.names
        }
        for waiting in self._lists.values():
            counts[waiting.queue]["queued"] += waiting.length
        for id, queue in self._reserved.tags.values():
            state = self._state(id, at_ms)
            if state is not None and queue in counts:
                counts[queue][state] += 1
        for task in self._tasks.started.values():
            if task.queue in counts:
                counts[task.queue]["started"] += 1
        return tuple(
            QueueNow(
                name=name,
                paused=name in paused,
                counts={state: count for state, count in each.items() if count or state == "queued"},
                oldest_ms=self._oldest_ms(name, since),
                workers=None if workers is None else workers.get(name, 0),
            )
            for name, each in counts.items()
        )

    def _state(self, id: str, at_ms: int) -> State | None:
        """What a task that was not acknowledged counts as; None where it is at work."""
        task = self._tasks.known(id)
        if task is None or task.state not in ("started", "scheduled", "retrying"):
            return "reserved"
        if task.state == "started":
            return None
        if task.due_ms is None or task.due_ms > at_ms:
            return "scheduled"
        # Its time came, and it waits for a free place in its worker.
        self._tasks.to_state(self._tasks.task(id), "reserved", at_ms)
        return "reserved"

    def _oldest_ms(self, name: str, since: Since) -> int | None:
        known = []
        for waiting in self._lists.values():
            if waiting.queue == name and waiting.length and waiting.next is not None:
                waiting.next_since_ms = waiting.next_since_ms or since(waiting.next)
                known.append(waiting.next_since_ms)
        return min((ms for ms in known if ms is not None), default=None)

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

    def _look_lists(self, keys: list[str], at_ms: int) -> None:
        if not keys:
            return
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.llen(key)
            lengths = pipe.execute(raise_on_error=False)
        tails = []
        for key, length in zip(keys, lengths, strict=True):
            waiting = self._lists[key]
            waiting.length = length if isinstance(length, int) else 0
            waiting.is_behind = False
            if waiting.length:
                self._look_list(key, waiting, at_ms)
                tails.append(key)
            else:
                waiting.known, waiting.newest, waiting.edge, waiting.is_read = 0, "", "", True
        if tails:
            self._look_tails(tails, at_ms)

    def _look_list(self, key: str, waiting: Waiting, at_ms: int) -> None:
        """New messages stand first; what stood there before is read on behind them, a part a tick."""
        fresh: list[celery_messages.Message] = []
        met = False
        while not met and len(fresh) < min(MOST_MESSAGES, waiting.length):
            messages = self._read(key, waiting, len(fresh))
            if not messages:
                break
            for message in messages:
                if waiting.newest and message.tag == waiting.newest:
                    met = True
                    break
                fresh.append(message)
        self._take(fresh, waiting, at_ms, is_new=waiting.is_read)
        waiting.is_read = True
        if met:
            waiting.known += len(fresh)
        else:
            waiting.known, waiting.edge = len(fresh), fresh[-1].tag if fresh else ""
        if fresh:
            waiting.newest = fresh[0].tag
        if waiting.known < waiting.length:
            self._read_on(key, waiting, at_ms)
        if waiting.known >= waiting.length:
            waiting.known, waiting.edge = waiting.length, ""
        waiting.is_behind = waiting.known < waiting.length

    def _read_on(self, key: str, waiting: Waiting, at_ms: int) -> None:
        messages = self._read(key, waiting, max(0, waiting.known - 1))
        tags = [message.tag for message in messages]
        begin = tags.index(waiting.edge) + 1 if waiting.edge in tags else (0 if not waiting.edge else len(tags))
        self._take(messages[begin:], waiting, at_ms, is_new=False)
        waiting.known += len(messages) - begin
        if messages:
            waiting.edge = tags[-1]

    def _take(self, messages: Sequence[celery_messages.Message], waiting: Waiting, at_ms: int, *, is_new: bool) -> None:
        for message in messages:
            celery_messages.waits(self._tasks, message, waiting.queue, at_ms, is_new=is_new)
            if self.seen is not None and message.id is not None:
                self.seen.add(message.id)

    def _read(self, key: str, waiting: Waiting, begin: int) -> list[celery_messages.Message]:
        raws = self._client.lrange(key, begin, begin + waiting.chunk - 1)
        if raws:
            waiting.each_bytes = sum(map(len, raws)) // len(raws)
        return [celery_messages.message_of(raw) or _nothing() for raw in raws]

    def _look_tails(self, keys: list[str], at_ms: int) -> None:
        """Since when the message waits that is next."""
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.lindex(key, -1)
            raws = pipe.execute(raise_on_error=False)
        for key, raw in zip(keys, raws, strict=True):
            message = celery_messages.message_of(raw) if isinstance(raw, bytes | str) else None
            waiting = self._lists[key]
            if message is not None and message.id != waiting.next:
                waiting.next, waiting.next_since_ms = message.id, None

    def _look_reserved(self, at_ms: int) -> None:
        kept = self._reserved
        with self._client.pipeline(transaction=False) as pipe:
            pipe.hlen(UNACKED)
            pipe.zrange(UNACKED_INDEX, kept.since, "+inf", byscore=True, offset=0, num=MOST_ASKED, withscores=True)
            number, found = pipe.execute()
        fresh = {
            tag.decode("utf-8", "replace"): score
            for tag, score in found
            if tag.decode("utf-8", "replace") not in kept.tags
        }
        if fresh:
            self._take_reserved(list(fresh), at_ms)
        if found:
            # The last one is met again: others of the same moment may come.
            kept.since = found[-1][1]
        gone = self._gone(number)
        kept.is_behind = len(found) == MOST_ASKED or number < len(kept.tags)
        for tag in gone:
            id, _ = kept.tags.pop(tag)
            kept.ids.discard(id)
            self._left.append(id)

    def _take_reserved(self, tags: list[str], at_ms: int) -> None:
        for tag, raw in zip(tags, self._client.hmget(UNACKED, tags), strict=True):
            read = celery_messages.reserved_of(raw) if raw is not None else None
            if read is None:
                continue
            message, exchange, routing_key = read
            queue = self._routes.get((exchange, routing_key)) or routing_key
            self.add(queue, exchange)
            task = celery_messages.is_reserved(self._tasks, message, queue, at_ms)
            if task is not None:
                self._reserved.tags[tag] = (task.id, queue)
                self._reserved.ids.add(task.id)

    def _gone(self, number: int) -> list[str]:
        """Those of the known that were acknowledged or put back."""
        tags = self._reserved.tags
        if number >= len(tags):
            return []
        if number == 0:
            return list(tags)
        asked = list(tags)[: MOST_ASKED * 10]
        scores = self._client.zmscore(UNACKED_INDEX, asked)
        for tag in asked:
            tags[tag] = tags.pop(tag)  # the others next time
        return [tag for tag, score in zip(asked, scores, strict=True) if score is None]

    def _begun(self, at_ms: int) -> None:
        """Celery acknowledges a task as it begins. Where events are on they say so better, and had a tick to do so."""
        left, self._left = self._left, []
        for id in left:
            task = self._tasks.known(id)
            if task is not None and task.worker is None and task.state in ("reserved", "scheduled", "retrying"):
                self._tasks.begun(self._tasks.task(id), at_ms, None)


def _nothing() -> celery_messages.Message:
    """Something in a list that is no message: it is passed over, and counts where the list is counted."""
    return celery_messages.Message(properties=celery_messages.Properties(delivery_tag=f"?{time.monotonic_ns()}"))
