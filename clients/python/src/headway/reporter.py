"""Takes what jobs say and sends it from a thread of its own, so that nobody who works waits for a site."""

from __future__ import annotations

import threading
import time
from typing import Any

from headway import lifetime
from headway.backlog import BATCH_LINES, Backlog, Key, Line
from headway.delivery import Delivery
from headway.notices import warn
from headway.patience import Patience
from headway.settings import Settings, read
from headway.text import summary
from headway.transport import Away

EVERY_S = 0.1
"""The shortest time between two batches, and so between two updates of a job."""
REST_S = 5.0
"""After so long without an update the thread ends until the next one: a process that rests is easier to fork."""


class Reporter:
    """`generation` counts the forks that this process came from, so that what was under way before can be said anew."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.generation = 0
        self._settings = settings
        self._seq = 0
        self.backlog = Backlog()
        self._delivery: Delivery | None = None
        self._begin()
        lifetime.follow(self)

    def _begin(self) -> None:
        # A signal's handler or a finalizer may report while its own thread is in here, so the lock lets it in again.
        self.lock = threading.RLock()
        self._more = threading.Condition(self.lock)
        self._settled = threading.Condition(self.lock)
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self._resting = False
        self._sending = False
        self._flushes = 0
        self._next_try = 0.0
        self._patience = Patience()
        self._waited_in_vain = False

    @property
    def settings(self) -> Settings:
        return self._settings or self.configure(read(), again=False)

    def configure(self, settings: Settings, *, again: bool = True) -> Settings:
        """Report there from now on, also what waits. With `again` false only where nothing was said before."""
        with self.lock:
            if self._settings is not None and not again:
                return self._settings
            self._settings = settings
            self._hurry.set()
        # Outside of the lock: a handler of logs may be at work for another thread, and report in turn.
        if settings.fault:
            warn(f"jobs are not reported, because {settings.fault}")
        return settings

    def put(self, key: Key, kind: int, fields: dict[str, Any], text_bytes: int = 0) -> None:
        """Take one update of a job, and return at once."""
        if (self._settings or self.settings).fault:
            return
        fields["timestamp"] = now = time.time()
        with self.lock:
            # By the clock, so that it goes on rising when another process reports the same job, and past every restart.
            self._seq = fields["seq"] = max(self._seq + 1, int(now * 1e6))
            self.backlog.add(Line(key, kind, fields, text_bytes))
            if self._thread is None:
                self._start()
            elif self._resting:
                self._more.notify()

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all is sent, at most `timeout` seconds. False where something is left.

        Gives up at once where the next try lies beyond that time.
        """
        with self.lock:
            if not self._busy():
                return True
            end = time.monotonic() + (self.settings.timeout_s if timeout is None else timeout)
            self._flushes += 1
            self._next_try = 0.0
            self._hurry.set()
            try:
                while self._busy():
                    left = end - time.monotonic()
                    if left <= 0 or self._next_try > end:
                        return False
                    self._settled.wait(left)
            finally:
                self._flushes -= 1
        return True

    def end(self) -> None:
        """The program ends: a last moment for what is left."""
        if not self.flush() and not self._patience.tried:  # what failed was told
            warn("the site does not answer in time, so the last reports are lost")
        with self.lock:
            if not self._sending:
                self._close()

    def job_ended(self) -> None:
        """In a process that was forked, wait a moment for what is left: it may end without any word to Python."""
        if not self.generation or lifetime.in_event_loop() or self._waited_in_vain:
            return
        self._waited_in_vain = not self.flush()

    def _busy(self) -> bool:
        return bool(self.backlog) or self._sending

    def _start(self) -> None:
        try:
            self._thread = threading.Thread(target=self._run, name="headway", daemon=True)
            self._thread.start()
        except RuntimeError:  # the interpreter is ending, or the system has no thread left; the next update tries again
            self._thread = None

    def _run(self) -> None:
        while True:
            with self.lock:
                if not self._wait_for_more():
                    return
                self._hurry.clear()
                self._sending = True
                lines = self.backlog.take()
                delivery = self._present_delivery()
            again, away = self._send(delivery, lines)
            with self.lock:
                self._sending = False
                pause_s = self._after(again, away)
                self._settled.notify_all()
            self._hurry.wait(pause_s)

    def _wait_for_more(self) -> bool:
        """False where nothing came for long, and the thread is to end."""
        self._resting = True
        while not self.backlog:
            self._settled.notify_all()
            if not self._more.wait(REST_S) and not self.backlog:
                self._close()
                self._thread = None
                break
        self._resting = False
        return bool(self.backlog)

    def _present_delivery(self) -> Delivery:
        if self._delivery is None or self._delivery.settings is not self.settings:
            self._close()
            self._delivery = Delivery(self.settings)
        return self._delivery

    def _close(self) -> None:
        delivery, self._delivery = self._delivery, None
        if delivery is not None:
            delivery.close()

    def _send(self, delivery: Delivery, lines: list[Line]) -> tuple[list[Line], Away | None]:
        """The lines that have to be sent again, and why where it was the site's fault."""
        try:
            again = delivery.send(lines)
        except Exception as fault:  # noqa: BLE001 (the one border: nothing may end this thread)
            away = fault if isinstance(fault, Away) else Away(summary(fault), lasting=True)
            delivery.site_is_away(away)
            return lines, away
        delivery.site_answers(self.backlog)
        return again, None

    def _after(self, again: list[Line], away: Away | None) -> float:
        """Keep what has to be sent again. How long to wait before."""
        if away is None:
            self._patience.succeed()
            self._waited_in_vain = False
            for line in again:
                self._seq = line.fields["seq"] = max(self._seq + 1, line.fields["seq"])
                self.backlog.add(line)
            return 0.0 if self._flushes or len(self.backlog) >= BATCH_LINES else EVERY_S
        self.backlog.restore(again)
        wait_s = self._patience.fail(away)
        self._next_try = time.monotonic() + wait_s
        return wait_s

    def forked(self) -> None:
        """Begin anew in a child: its parent sends what waits, and the thread stayed with it."""
        self.generation += 1
        self.backlog = Backlog()
        if self._sending:
            self._delivery = None  # to close it could wait for a lock of the thread that is not here
        self._close()
        self._begin()
