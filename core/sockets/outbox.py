"""What one client has yet to get: Engine.IO's queue, with the bounds of `core.backlog` on those who are behind."""

from __future__ import annotations

import threading
from typing import Any

from gevent.queue import Empty

from core.backlog import Backlog, Frame
from core.metrics import STREAM_DROPPED, STREAM_SENT

LIMIT = 100
"""Events that a client may hold which does not keep up."""
TRANSPORT = "socketio"
SENT = STREAM_SENT.labels(transport=TRANSPORT)
DROPPED = STREAM_DROPPED.labels(transport=TRANSPORT)


class Ready:
    """A packet that was encoded once for all its clients, in the words that Engine.IO has for one."""

    __slots__ = ("frame",)

    def __init__(self, frame: Frame) -> None:
        self.frame = frame

    def encode(self, b64: bool = False) -> str | bytes:
        """As text for long polling, which asks for base64; as the bytes that a websocket carries otherwise."""
        return self.frame.data.decode() if b64 else self.frame.data


class Outbox:
    """Takes packets of Engine.IO and frames of events, gives out `Ready`; None means the end, and is given out for good."""

    def __init__(self) -> None:
        self._backlog = Backlog(LIMIT)
        self._filled = threading.Event()
        self._ended = False

    def put(self, packet: Any) -> None:
        """Raises core.backlog.Overflow when the client is too far behind."""
        if packet is None:
            self._ended = True
        else:
            frame = packet if isinstance(packet, Frame) else Frame(packet.encode().encode(), keep=True)
            if dropped := self._backlog.add((frame,)):
                DROPPED.inc(dropped)
        self._filled.set()

    def get(self, block: bool = True, timeout: float | None = None) -> Ready | None:
        """The oldest packet. Raises Empty."""
        if block and not self._backlog and not self._ended:
            self._filled.clear()
            self._filled.wait(timeout)
        if self._backlog:
            [frame] = self._backlog.take(1)
            if frame.key is not None:
                SENT.inc()
            return Ready(frame)
        if self._ended and block:
            return None
        raise Empty

    def task_done(self) -> None:
        """Nobody waits for that."""
