"""Lists of messages that wait in a Redis: new ones are read at once, what stands behind them in bounded parts a tick. What was there at the
first look is read before, from its oldest on, so that numbers rise with time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import redis

from services.brokers import celery_messages
from services.brokers.celery_tasks import Tasks
from services.brokers.celery_waiting import MOST_UNREAD, Part, Risen, Waiting, is_enough

SEPARATOR = "\x06\x16"
STEPS = (0, 3, 6, 9)
"""Kombu's priorities: the list of the first has the queue's own name."""
Since = Callable[[str], int | None]


def keys_of(queue: str) -> list[str]:
    """The lists of a queue, in the order in which a worker takes from them."""
    return [f"{queue}{SEPARATOR}{step}" if step else queue for step in STEPS]


class Lists:
    """The lists of all queues that are watched."""

    def __init__(self, client: redis.Redis, tasks: Tasks) -> None:
        self._client = client
        self._tasks = tasks
        self._lists: dict[str, Waiting] = {}
        self._of: dict[str, list[Waiting]] = {}
        """The lists of each queue."""
        self.seen: set[str] | None = None
        """Ids of what was read since `reread`, while somebody compares them."""

    def add(self, queue: str) -> None:
        """Watch the lists of a queue too."""
        self._of[queue] = [Waiting(queue) for _ in STEPS]
        self._lists |= dict(zip(keys_of(queue), self._of[queue], strict=True))

    @property
    def is_behind(self) -> bool:
        """Whether there is more to read."""
        return any(waiting.is_behind for waiting in self._lists.values())

    def reread(self) -> None:
        """Read all anew, and note in `seen` what stands there."""
        self.seen = set()
        for waiting in self._lists.values():
            waiting.begin_anew()
            waiting.is_behind, waiting.is_read = True, False

    def lose(self) -> None:
        """Any of them may have changed."""
        for waiting in self._lists.values():
            waiting.is_behind = True

    def length(self, queue: str) -> int:
        """Messages that wait in a queue."""
        return sum(waiting.length for waiting in self._of[queue])

    def unread(self) -> dict[str, int]:
        """Messages that can't be read, of each queue where there are any."""
        counts: dict[str, int] = {}
        for waiting in self._lists.values():
            if waiting.unread:
                counts[waiting.queue] = counts.get(waiting.queue, 0) + len(waiting.unread)
        return counts

    def oldest_ms(self, queue: str, since: Since) -> int | None:
        """Since when the message waits that is next in a queue, where `since` knows it."""
        known = []
        for waiting in self._of[queue]:
            if waiting.length and waiting.next is not None:
                waiting.next_since_ms = waiting.next_since_ms or since(waiting.next)
                known.append(waiting.next_since_ms)
        return min((ms for ms in known if ms is not None), default=None)

    def look(self, changed: Collection[str], at_ms: int, left: int = 0) -> None:
        """Read on in those that changed or are behind. As many messages as `left` may have been put back, which stand last then, where
        workers take: others may have been taken before. Raises redis.RedisError."""
        keys = [key for key, waiting in self._lists.items() if waiting.is_behind or key in changed]
        if not keys:
            return
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.llen(key)
            lengths = pipe.execute(raise_on_error=False)
        tails, oldest = [], list[Risen]()
        for key, length in zip(keys, lengths, strict=True):
            waiting = self._lists[key]
            waiting.length = length if isinstance(length, int) else 0
            waiting.is_behind = False
            if not waiting.length:
                waiting.begin_anew()
                waiting.is_read = waiting.is_risen = True
                continue
            if waiting.is_risen:
                self._look_list(key, waiting, at_ms)
            else:
                oldest += self._rise(key, waiting)
            tails.append(key)
        # No message says when it was sent: of each list the newest come last.
        for one in sorted(oldest, key=lambda one: -one.place):
            self._take((one.message,), one.waiting, at_ms, is_new=False)
        if tails:
            self._look_tails(tails, at_ms, left)

    def _rise(self, key: str, waiting: Waiting) -> list[Risen]:
        """The oldest messages that were not read yet. New ones come at the other end, and do not move these."""
        found, size, part = list[Risen](), 0, Part([], is_end=False)
        while not part.is_end and not is_enough(len(found), size):
            above = self._above(key, waiting)
            if above is None:
                break
            part = above
            size += sum(map(len, part.raws))
            for raw, message in zip(reversed(part.raws), reversed(part.messages), strict=True):
                waiting.known, waiting.edge, waiting.newest = waiting.known + 1, raw, message.tag
                found.append(Risen(waiting.length - waiting.known, waiting, message))
                if message.id is None and len(waiting.unread) < MOST_UNREAD:
                    waiting.unread.add(waiting.known)
        if part.is_end:
            waiting.is_risen = waiting.is_read = True
            waiting.edge, waiting.pushed = b"", waiting.known
        else:
            waiting.is_behind = True
        return found

    def _above(self, key: str, waiting: Waiting) -> Part | None:
        """What stands before the edge, or at the end where there is none; None where the next look has to see."""
        if not waiting.edge:
            return self._between(key, waiting, -waiting.chunk, -1)
        part = self._between(key, waiting, 1 - waiting.known - waiting.chunk, -waiting.known)
        if part.raws[-1:] != [waiting.edge]:
            # Workers took some behind it, or put some back.
            with self._client.pipeline(transaction=False) as pipe:
                pipe.lpos(key, waiting.edge, rank=-1)  # type: ignore[arg-type]
                pipe.llen(key)
                place, length = pipe.execute()
            if place is None:
                waiting.begin_anew()  # workers took it, and before it all that stood behind it
                return self._between(key, waiting, -waiting.chunk, -1)
            waiting.unread = {one - waiting.known + length - place for one in waiting.unread}
            waiting.known = length - place
            part = self._between(key, waiting, 1 - waiting.known - waiting.chunk, -waiting.known)
            if part.raws[-1:] != [waiting.edge]:
                return None
        return Part(part.raws[:-1], part.is_end)

    def _look_list(self, key: str, waiting: Waiting, at_ms: int) -> None:
        """New messages stand first; what stood there before is read on behind them, a part a tick."""
        fresh: list[celery_messages.Message] = []
        part, size, met = Part([], is_end=False), 0, False
        while not (met or part.is_end) and not is_enough(len(fresh), size):
            part = self._read(key, waiting, len(fresh))
            size += sum(map(len, part.raws))
            for message in part.messages:
                if waiting.newest and message.tag == waiting.newest:
                    met = True
                    break
                fresh.append(message)
        self._take(fresh[::-1], waiting, at_ms, is_new=waiting.is_read)
        waiting.is_read = True
        if met:
            waiting.known += len(fresh)
            waiting.pushed += len(fresh)
        else:
            waiting.begin_anew()
            self._note_read(waiting, part, len(fresh))
        waiting.note_unread(fresh, 0)
        waiting.forget_left()
        if fresh:
            waiting.newest = fresh[0].tag
        if waiting.edge or waiting.known < waiting.length:
            self._read_on(key, waiting, at_ms)
        if not waiting.edge:
            waiting.known = min(waiting.known, waiting.length)
        waiting.is_behind = bool(waiting.edge) or waiting.known < waiting.length

    def _read_on(self, key: str, waiting: Waiting, at_ms: int) -> None:
        """What stands behind the edge, or, where there is none, what was put at the end."""
        part = self._behind_edge(key, waiting) if waiting.edge else self._read(key, waiting, waiting.known)
        if part is None:
            return
        messages = part.messages
        self._take(messages[::-1], waiting, at_ms, is_new=False)
        waiting.note_unread(messages, waiting.known)
        self._note_read(waiting, part, waiting.known + len(messages))

    def _note_read(self, waiting: Waiting, part: Part, known: int) -> None:
        """It was read as far as this part goes."""
        if part.is_end:
            waiting.known, waiting.edge = max(known, waiting.length), b""
        elif part.raws:
            waiting.known, waiting.edge = known, part.raws[-1]

    def _behind_edge(self, key: str, waiting: Waiting) -> Part | None:
        """None where the next look has to see."""
        part = self._read(key, waiting, waiting.known - 1)
        if waiting.edge not in part.raws:
            # Messages before it were taken out, or many came just now. To begin anew each time might never come to an end.
            place: Any = self._client.lpos(key, waiting.edge)  # type: ignore[arg-type]
            if place is None:
                self._lose_edge(waiting)
                return None
            waiting.known = min(waiting.known, place + 1)  # what came just now counts once it is met
            part = self._read(key, waiting, place)
            if waiting.edge not in part.raws:
                return None
        return Part(part.raws[part.raws.index(waiting.edge) + 1 :], part.is_end)

    def _lose_edge(self, waiting: Waiting) -> None:
        if waiting.known >= waiting.length:
            waiting.edge = b""  # workers took it, and before it all that stood behind it
        else:
            waiting.begin_anew()
            waiting.is_read = False  # what is read once more is not new

    def _take(self, messages: Sequence[celery_messages.Message], waiting: Waiting, at_ms: int, *, is_new: bool) -> None:
        for message in messages:
            celery_messages.waits(self._tasks, message, waiting.queue, at_ms, is_new=is_new)
            if self.seen is not None and message.id is not None:
                self.seen.add(message.id)

    def _read(self, key: str, waiting: Waiting, begin: int) -> Part:
        return self._between(key, waiting, begin, begin + waiting.chunk - 1)

    def _between(self, key: str, waiting: Waiting, begin: int, end: int) -> Part:
        raws: list[bytes] = self._client.lrange(key, begin, end)  # type: ignore[assignment]
        if raws:
            waiting.each_bytes = sum(map(len, raws)) // len(raws)
        return Part(raws, len(raws) <= end - begin)

    def _look_tails(self, keys: list[str], at_ms: int, left: int) -> None:
        """Since when the message waits that is next, and which were put back."""
        with self._client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.lrange(key, -max(1, min(left, self._lists[key].chunk)), -1)
            answers = pipe.execute(raise_on_error=False)
        for key, raws in zip(keys, answers, strict=True):
            messages = [celery_messages.message_of(raw) for raw in raws] if isinstance(raws, list) else []
            waiting = self._lists[key]
            again = [message for message in messages if message is not None and message.is_again]
            self._take(again if left else (), waiting, at_ms, is_new=False)
            message = messages[-1] if messages else None
            if message is not None and message.id != waiting.next:
                waiting.next, waiting.next_since_ms = message.id, None
