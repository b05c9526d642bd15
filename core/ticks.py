"""Ticks: what is read again and again for all who listen to a channel, once a process, and while nobody listens not at all."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from core import sse
from core.backlog import Frame
from core.hub import Hub
from core.metrics import STREAM_READINGS
from core.store import StoreError

log = logging.getLogger("headway.live")


class Ticks:
    """`read()` answers a value that is sent as JSON, unnamed. It may raise StoreError: then nothing is sent, for each stream is told
    that the store is away."""

    def __init__(self, hub: Hub, channel: str, name: str, every_s: float, read: Callable[[], Any]) -> None:
        self._hub = hub
        self._channel = channel
        self._name = name
        self._every_s = every_s
        self._take = read
        self._readings = STREAM_READINGS.labels(stream=name)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._read_at = float("-inf")
        self._frame: Frame | None = None
        self._failing = False

    def first(self) -> list[Frame]:
        """For a client that has joined: what all others had last."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                if self._due_in_s() <= 0:
                    self._read()
                self._thread = threading.Thread(target=self._run, name=f"headway-ticks-{self._name}", daemon=True)
                self._thread.start()
        frame = self._frame
        return [frame] if frame is not None else []

    def _run(self) -> None:
        while True:
            time.sleep(max(self._due_in_s(), 0.0))
            with self._lock:
                if not self._hub.listeners(self._channel):
                    self._thread = None
                    return
            self._read()
            if self._frame is not None:
                self._hub.publish({self._channel: [self._frame]})

    def _due_in_s(self) -> float:
        return self._read_at + self._every_s - time.monotonic()

    def _read(self) -> None:
        self._read_at = time.monotonic()
        self._readings.inc()
        frame: Frame | None = None
        try:
            frame = Frame(sse.event(self._take()), key="tick")
            self._failing = False
        except StoreError:
            pass
        except Exception:
            # The border around what nobody waits for: the next reading may go well.
            if not self._failing:
                log.exception("The present figures of %s can't be read", self._name)
            self._failing = True
        self._frame = frame
