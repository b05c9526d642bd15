"""What is known of a list of messages that waits in a Redis, while workers take from it, and how much of one is read at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.brokers import celery_messages

MOST_MESSAGES = 1_000
"""Looked at in a tick, of each list."""
MOST_BYTES = 2_000_000
"""The same: what comes beyond is of the answer that reached it."""
MOST_UNREAD = 1_000
"""Messages of a list that can't be read which are counted."""


def is_enough(messages: int, size: int) -> bool:
    """Whether so many messages, of so many bytes, are as much of a list as is read in a tick."""
    return messages >= MOST_MESSAGES or size >= MOST_BYTES


@dataclass
class Waiting:
    """What is known of one list: its first `known` messages, from `newest`, a tag, to `edge`, the message itself. It has an edge as long
    as something stands behind that. Until it `is_risen` they are its last ones, and something may stand before the edge."""

    queue: str
    length: int = 0
    known: int = 0
    newest: str = ""
    edge: bytes = b""
    next: str | None = None
    """The task that a worker takes first, and since when it waits, once that was asked."""
    next_since_ms: int | None = None
    each_bytes: int = 200_000
    """Of those that were read last; many are asked for once they proved small."""
    pushed: int = 0
    """Messages that came since it was read from its beginning."""
    unread: set[int] = field(default_factory=set)
    """Those that can't be read, each by how many came since, counted back from `pushed`: so it is known when they left."""
    is_behind: bool = True
    is_risen: bool = False
    """Whether all that was there at the first look is read."""
    is_read: bool = False
    """Whether it was looked at before, so that what comes from now on is new."""

    @property
    def chunk(self) -> int:
        """Messages of an answer: two at least, for the edge comes again with what stands behind it."""
        return max(2, min(200, MOST_BYTES // max(1, self.each_bytes)))

    def begin_anew(self) -> None:
        """Nothing of it is known any more."""
        self.known, self.newest, self.edge = 0, "", b""
        self.pushed, self.unread = 0, set()

    def note_unread(self, messages: Sequence[celery_messages.Message], begin: int) -> None:
        """Of messages that stand in a row in the list, behind as many others."""
        for place, message in enumerate(messages, begin):
            if message.id is None and len(self.unread) < MOST_UNREAD:
                self.unread.add(self.pushed - place)

    def forget_left(self) -> None:
        """Workers take from the end."""
        self.unread = {number for number in self.unread if self.pushed - number < self.length}


class Part(NamedTuple):
    """A part of a list; `is_end` where nothing stands behind it."""

    raws: list[bytes]
    is_end: bool

    @property
    def messages(self) -> list[celery_messages.Message]:
        return [celery_messages.message_of(raw) or _nothing(raw) for raw in self.raws]


class Risen(NamedTuple):
    """A message that was there at the first look, by how many stood before it."""

    place: int
    waiting: Waiting
    message: celery_messages.Message


def _nothing(raw: bytes) -> celery_messages.Message:
    """Something in a list that is no message: it is passed over, and counts where the list is counted. It is known again as others are by
    their tags, or what stands behind it would never be read."""
    tag = f"?{hashlib.sha256(repr(raw).encode()).hexdigest()}"
    return celery_messages.Message(properties=celery_messages.Properties(delivery_tag=tag))
