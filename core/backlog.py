"""What a client that is behind has yet to get: bounded, and what goes first when it grows too long."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

GRACE_S = 0.5
"""A client that takes a burst within so long keeps up, and misses nothing of it."""
MOST_BYTES = 4 * 1024 * 1024
"""Past it the grace is over at once. Clients share the frames, so this is not what each of them costs."""
MOST_KEPT_BYTES = 16 * 1024 * 1024
"""What may not be dropped may not grow without end either: past it the client is let go, and asks for the rest anew."""


class Frame(NamedTuple):
    """One event as it goes over the wire, made once for all who get it."""

    data: bytes
    key: Hashable = None
    """What it is about. Of two frames with one key the newer stands in for the older."""
    keep: bool = False
    """Never dropped: a final state, or what a client must know."""


class Overflow(Exception):
    """More was kept for a client than may be."""


class Backlog:
    """Frames in order. `limit` is how many a client may hold that does not keep up."""

    __slots__ = ("_began", "_size", "frames", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.frames: deque[Frame] = deque()
        self._size = 0
        self._began = 0.0
        """When it was empty last."""

    def __bool__(self) -> bool:
        return bool(self.frames)

    def __len__(self) -> int:
        return len(self.frames)

    def add(self, frames: Sequence[Frame]) -> int:
        """Append, and drop what goes past the limit; how many were dropped. Raises Overflow."""
        if not self.frames:
            self._began = time.monotonic()
        self.frames.extend(frames)
        self._size += sum(len(frame.data) for frame in frames)
        if len(self.frames) <= self.limit:
            return 0
        if self._size <= MOST_BYTES and time.monotonic() - self._began < GRACE_S:
            return 0
        dropped = self._squeeze(len(self.frames) - self.limit)
        if self._size > MOST_KEPT_BYTES:
            raise Overflow
        return dropped

    def take(self, most_bytes: int) -> list[Frame]:
        """The oldest frames, of about so many bytes in all, one at least."""
        taken, size = list[Frame](), 0
        while self.frames and size < most_bytes:
            frame = self.frames.popleft()
            size += len(frame.data)
            taken.append(frame)
        self._size -= size
        return taken

    def _squeeze(self, excess: int) -> int:
        """Drop up to `excess` frames, oldest first: those that a newer one stands in for, then any that may go."""
        newest = {frame.key: at for at, frame in enumerate(self.frames) if frame.key is not None}
        replaced = [at for at, frame in enumerate(self.frames) if not frame.keep and newest.get(frame.key, at) != at][
            :excess
        ]
        going = set(replaced)
        if len(going) < excess:
            others = (at for at, frame in enumerate(self.frames) if not frame.keep and at not in going)
            going.update(at for at, _ in zip(others, range(excess - len(going)), strict=False))
        left = [frame for at, frame in enumerate(self.frames) if at not in going]
        self.frames = deque(left)
        self._size = total(left)
        return len(going)


def total(frames: Iterable[Frame]) -> int:
    """Bytes of all frames."""
    return sum(len(frame.data) for frame in frames)
