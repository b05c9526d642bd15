"""Takes what a program says and sends it from a thread of its own, so that nobody who works waits for a site."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, TypeVar

from headway import lifetime, text
from headway.figure_lane import FigureLane
from headway.job_lane import JobLane
from headway.lane import Lane
from headway.log_lane import LogLane, LogLine
from headway.notices import warn
from headway.settings import Settings, read
from headway.told import Told
from headway.transport import Away, Transport

REST_S = 5.0
"""After so long without a report the thread ends until the next one: a process that rests is easier to fork."""

T = TypeVar("T")


class Reporter:
    """`generation` counts the forks that this process came from, so that what was under way before can be said anew."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.generation = 0
        self.told = Told("")
        self.jobs, self.logs = JobLane(), LogLane()
        self.tiles, self.notifications = FigureLane("tiles"), FigureLane("notifications")
        self.deployments = FigureLane("deployments")
        # In this order, so that a job is known when its log lines come.
        self.lanes: tuple[Lane[Any], ...] = (self.jobs, self.tiles, self.notifications, self.deployments, self.logs)
        self._settings = settings
        self._transport: Transport | None = None
        self._begin()
        lifetime.follow(self)

    def _begin(self) -> None:
        # A signal's handler or a finalizer may report while its own thread is in here, so the lock lets it in again.
        self.lock = threading.RLock()
        self._more = threading.Condition(self.lock)
        self._settled = threading.Condition(self.lock)
        self._thread: threading.Thread | None = None
        self._flushes = 0

    @property
    def settings(self) -> Settings:
        return self._settings or self.configure(read(), again=False)

    def configure(self, settings: Settings, *, again: bool = True) -> Settings:
        """Report there from now on, also what waits. With `again` false only where nothing was said before."""
        with self.lock:
            if self._settings is not None and not again:
                return self._settings
            self._settings = settings
            self._hurry(self.lanes)
        # Outside of the lock: a handler of logs may be at work for another thread, and report in turn.
        if settings.fault:
            warn(f"nothing is reported, because {settings.fault}")
        return settings

    def put(self, lane: Lane[T], one: T) -> None:
        """Take one report, and return at once."""
        if (self._settings or self.settings).fault:
            return
        with self.lock:
            first = not lane.backlog
            lane.add(one)
            if self._thread is None:
                self._start()
            elif first:
                self._more.notify()

    def log(
        self,
        message: object,
        level: str,
        source: str | None = None,
        at: float | None = None,
        job: tuple[str, str] | None = None,
    ) -> None:
        """Take one line of the logs. `at` is seconds since the epoch, now unless said; `job` is an agent and an id."""
        words = text.without_middle(message, text.LOG)
        named = text.one_line(source or self.settings.source, text.SOURCE) or "python"
        self.put(self.logs, LogLine(words, level, named, time.time() if at is None else at, job))

    def flush(self, timeout: float | None = None, lanes: Sequence[Lane[Any]] | None = None) -> bool:
        """Wait until all is sent, or what is in these lanes, at most `timeout` seconds. False where something is left.

        Gives up at once where the next try lies beyond that time.
        """
        lanes = self.lanes if lanes is None else lanes
        with self.lock:
            if not any(lane.busy for lane in lanes):
                return True
            end = time.monotonic() + (self.settings.timeout_s if timeout is None else timeout)
            self._flushes += 1
            self._hurry(lanes)
            if self._thread is None:
                self._start()
            try:
                while busy := [lane for lane in lanes if lane.busy]:
                    left = end - time.monotonic()
                    if left <= 0 or all(not lane.is_sending and lane.next_try > end for lane in busy):
                        return False
                    self._settled.wait(left)
            finally:
                self._flushes -= 1
        return True

    def end(self) -> None:
        """The program ends: a last moment for what is left."""
        if not self.flush() and not any(lane.patience.tried for lane in self.lanes):  # what failed was told
            warn("the site does not answer in time, so the last reports are lost")
        with self.lock:
            if not any(lane.is_sending for lane in self.lanes):
                self._close()

    def job_ended(self) -> None:
        """In a process that was forked, wait a moment for what is left: it may end without any word to Python."""
        if not self.generation or lifetime.in_event_loop():
            return
        lanes = [lane for lane in self.lanes if not lane.waited_in_vain]
        if not self.flush(lanes=lanes):
            for lane in lanes:
                lane.waited_in_vain = lane.busy

    def is_own_thread(self) -> bool:
        """Whether this is the thread that sends."""
        return self._thread is not None and self._thread.ident == threading.get_ident()

    def _hurry(self, lanes: Sequence[Lane[Any]]) -> None:
        for lane in lanes:
            lane.next_try = 0.0
        self._more.notify()

    def _start(self) -> None:
        try:
            self._thread = threading.Thread(target=self._run, name="headway", daemon=True)
            self._thread.start()
        except RuntimeError:  # the interpreter is ending, or the system has no thread left; the next report tries again
            self._thread = None

    def _run(self) -> None:
        while due := self._wait():
            unreachable = None
            for lane in due:
                unreachable = self._deliver(lane, unreachable)

    def _wait(self) -> list[Lane[Any]]:
        """The lanes of which something is to be sent now. None where nothing came for long, and the thread is to end."""
        with self.lock:
            while True:
                waiting = [lane for lane in self.lanes if lane.backlog]
                due = [lane for lane in waiting if lane.next_try <= time.monotonic()]
                if due:
                    return due
                self._settled.notify_all()
                if waiting:
                    self._more.wait(max(0.0, min(lane.next_try for lane in waiting) - time.monotonic()))
                elif not self._more.wait(REST_S) and not any(lane.busy for lane in self.lanes):
                    self._close()
                    self._thread = None
                    return []

    def _present_transport(self) -> Transport:
        if self._transport is None or self._transport.settings is not self.settings:
            self._close()
            self._transport = Transport(self.settings)
        if self.told.site != self.settings.shown:
            self.told = Told(self.settings.shown)
        return self._transport

    def _close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def _deliver(self, lane: Lane[Any], unreachable: Away | None) -> Away | None:
        """Send what waits in a lane, unless the site was just found to be nowhere. Answers why it is, where that is so."""
        with self.lock:
            lane.take()
            transport = self._present_transport()
        away = unreachable or self._send(lane, transport)
        if away is None:
            self.told.answers(lane.name, lane.backlog.lost())
        else:
            self.told.away(lane.name, away)
        with self.lock:
            lane.settle(away, hurry=self._flushes > 0)
            self._settled.notify_all()
        return away if away is not None and away.unreachable else None

    def _send(self, lane: Lane[Any], transport: Transport) -> Away | None:
        try:
            lane.send(transport, self.told)
        except Away as away:
            return away
        except Exception as fault:  # noqa: BLE001 (the one border: nothing may end this thread)
            return Away(text.summary(fault), lasting=True)
        return None

    def forked(self) -> None:
        """Begin anew in a child: its parent sends what waits, and the thread stayed with it."""
        self.generation += 1
        if any(lane.is_sending for lane in self.lanes):
            self._transport = None  # to close it could wait for a lock of the thread that is not here
        for lane in self.lanes:
            lane.begin()
        self._close()
        self._begin()
