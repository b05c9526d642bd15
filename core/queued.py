"""Streams where a socket can't be handed over: another server, TLS in the worker, a test's client. Each keeps its
request's thread or greenlet, which takes frames from a queue of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

from core.backlog import Backlog, Frame, Overflow
from core.hub import HEARTBEAT_S, STALL_S, Client, Hub, Transport

AT_ONCE = 64 * 1024


class QueuedClient(Client):
    __slots__ = ("_backlog", "_changed", "_moved_at")

    def __init__(self, hub: Hub, transport: Transport, channels: Sequence[str], limit: int) -> None:
        super().__init__(hub, transport, channels, limit)
        self._changed = threading.Condition()
        self._backlog = Backlog(limit)
        self._moved_at = time.monotonic()

    def deliver(self, data: bytes, frames: Sequence[Frame]) -> bool:
        with self._changed:
            try:
                dropped = self._backlog.add(frames)
            except Overflow:
                self.close()
                return False
            self._changed.notify_all()
        self.count(0, dropped)
        return False

    def allow(self, more: int) -> None:
        self._backlog.limit += more

    @property
    def waiting(self) -> int:
        return len(self._backlog)

    def stalled(self, now: float) -> bool:
        return bool(self._backlog) and now - self._moved_at > STALL_S

    def close(self) -> None:
        super().close()
        with self._changed:
            self._changed.notify_all()

    def stream(self) -> Iterator[bytes]:
        """What the client gets, as it comes; ends when the stream is closed and all was taken."""
        try:
            while True:
                with self._changed:
                    while not self._backlog and self.open:
                        self._changed.wait(HEARTBEAT_S)
                    taken = self._backlog.take(AT_ONCE)
                    if not self._backlog:
                        self._backlog.limit = self.limit
                if not taken:
                    return
                self.count(len(taken), 0)
                yield b"".join(frame.data for frame in taken)
                self._moved_at = time.monotonic()
        finally:
            self.close()
