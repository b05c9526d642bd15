"""The parts that open pages show, pushed to them as they change: looked at, rendered and encoded once for all who watch.

A part is looked at soon after something that it depends on happened, and at its own pace otherwise; nobody looks at
what nobody watches, and what is unchanged is not sent. Looks run side by side, so that none waits for another.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from core import sse
from core.backlog import Frame
from core.hub import Hub
from core.problems import Problem
from core.store import StoreError
from panels._part import Look, Part
from services.failure_notes import FailureNotes

PAGE = "page"
"""The channel of all open pages."""
PULSE_S = 4.0
"""How often a page hears that its stream lives."""
LOOKS_AT_ONCE = 16
LINGER_S = 5.0
"""How long a part is kept in mind for a page that is about to listen."""
AGAIN_S = 0.25
"""How soon a part is sent again that was read before its page listened."""
NEVER = float("-inf")

TOPICS: Mapping[str, Callable[[Any], Collection[str]]] = {
    "e": lambda event: ("jobs", f"job:{event.number}", f"agent:{event.agent}"),
    "a": lambda event: ("agents", f"agent:{event.agent}"),
    "n": lambda event: ("notifications",),
    "k": lambda event: ("alerts",),
}
"""What each kind of entry touches."""

log = logging.getLogger("headway.push")


@dataclass(eq=False)
class _Watched:
    """A part that pages watch. Moments are of the monotonic clock."""

    part: Part
    asked_at: float
    touched_at: float = NEVER
    ready_at: float = NEVER
    due: float | None = None
    """When it is looked at next; None while it is."""
    sent: str | None = None
    """The tag of what its pages show."""
    not_before: float = NEVER
    """What was read earlier is older than what a page shows."""
    frame: Frame | None = None
    failing: bool = False


class Pusher:
    """One a process. It listens to the bus, and works only while pages watch."""

    def __init__(self, hub: Hub, clock: Callable[[], float], refused: Callable[[], str | None] = lambda: None) -> None:
        """`refused` says why the store takes nothing new, None where it does."""
        self._hub, self._clock, self._refused = hub, clock, refused
        self._changed = threading.Condition()
        self._watched: dict[str, _Watched] = {}
        self._by_topic: dict[str, set[_Watched]] = {}
        self._queue: list[tuple[float, int, _Watched]] = []
        self._turns = itertools.count()
        self._failures = FailureNotes()
        self._thread: threading.Thread | None = None

    def watch(self, parts: Iterable[Part], tags: Mapping[str, str]) -> list[Frame]:
        """Parts that a page begins to watch; none for one that has feeds alone, which hears the pulse too. Answers what is
        known of them, but for those that it shows already by `tags`; the others come over their channels as soon as they
        are read."""
        frames = []
        now = time.monotonic()
        with self._changed:
            for part in parts:
                one = self._watched.get(part.name)
                if one is None:
                    one = self._watched[part.name] = _Watched(part, now)
                    for topic in part.topics:
                        self._by_topic.setdefault(topic, set()).add(one)
                    self._plan(one, now)
                one.asked_at = now
                shown = tags.get(part.name)
                if one.frame is not None and (one.failing or not shown):
                    frames.append(one.frame)
                if shown != one.sent:
                    if shown:  # what the page shows may be newer than what was looked at last
                        one.sent, one.not_before = None, now
                    self._touch((one,))
            if not (self._thread is not None and self._thread.is_alive()):
                self._failures = FailureNotes()
                self._thread = threading.Thread(target=self._run, name="headway-push", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return frames

    def entries(self, entries: Sequence[Any]) -> None:
        """What the bus tells, in order."""
        if self._thread is None:
            return
        topics = {topic for entry in entries for topic in TOPICS[entry.kind](entry.value)}
        with self._changed:
            self._failures.add((entry.value for entry in entries if entry.kind == "e"), time.monotonic())
            self._touch({one for topic in topics for one in self._by_topic.get(topic, ())})

    def gap(self, since: str, until: str) -> None:
        """Anything may have happened."""
        with self._changed:
            self._touch(self._watched.values())

    def degraded(self, reason: str, since: float) -> None:
        """Each part finds out what that means for it."""
        self.gap("", "")

    def recovered(self, reason: str, since: float) -> None:
        self.gap("", "")

    def _touch(self, some: Iterable[_Watched]) -> None:
        now = time.monotonic()
        for one in some:
            one.touched_at = now
            if one.due is not None:
                self._plan(one, max(now, one.ready_at))
        self._changed.notify_all()

    def _plan(self, one: _Watched, at: float) -> None:
        """Look at a part then, or sooner where that is planned already."""
        if one.due is None or at < one.due:
            one.due = at
            heapq.heappush(self._queue, (at, next(self._turns), one))

    def _run(self) -> None:
        pulse_at = time.monotonic()
        with ThreadPoolExecutor(LOOKS_AT_ONCE, "headway-look") as looks:
            while True:
                now = time.monotonic()
                with self._changed:
                    due, wait_until = self._take_due(now)
                    told = self._failures.take(now)
                    if not self._watched and not self._hub.listeners(PAGE):
                        self._thread = None
                        return
                    if not due and not told and now < pulse_at:
                        self._changed.wait(min(wait_until, pulse_at, self._failures.due_at) - now)
                        continue
                for one in due:
                    looks.submit(self._look, one)
                frames = [Frame(sse.event([note.as_json() for note in told], name="failed"))] if told else []
                if now >= pulse_at:
                    frames.append(self._pulse())
                    pulse_at = now + PULSE_S
                self._hub.publish({PAGE: frames})

    def _take_due(self, now: float) -> tuple[list[_Watched], float]:
        """The parts to look at now, and when the next one is due. Forgets those that nobody watches any more."""
        due = list[_Watched]()
        while self._queue and self._queue[0][0] <= now:
            at, _, one = heapq.heappop(self._queue)
            if one.due != at:
                continue  # it was looked at sooner
            if now - one.asked_at > LINGER_S and not self._hub.listeners(one.part.channel):
                self._forget(one)
                continue
            one.due = None
            due.append(one)
        return due, self._queue[0][0] if self._queue else now + PULSE_S

    def _forget(self, one: _Watched) -> None:
        del self._watched[one.part.name]
        for topic in one.part.topics:
            self._by_topic[topic].discard(one)
            if not self._by_topic[topic]:
                del self._by_topic[topic]

    def _pulse(self) -> Frame:
        told = {"sent_ms": round(self._clock() * 1000), "every_s": PULSE_S, "refused": self._refused()}
        return Frame(sse.event(told, name="pulse"), key="pulse")

    def _look(self, one: _Watched) -> None:
        began = time.monotonic()
        look: Look | None = None
        try:
            look = one.part.look()
        except (Problem, StoreError):
            pass  # its pages ask for it themselves meanwhile, and are told why it is not to be had
        except Exception:
            if not one.failing:
                log.exception("%s can't be shown", one.part.name)
        if look is None or look.began >= one.not_before:
            self._tell(one, look)
        with self._changed:
            now = time.monotonic()
            unheard = not self._hub.listeners(one.part.channel)
            if unheard:
                one.sent = None  # what was said just now may have come before its page listened
            one.ready_at = look.fresh_until if look else now + AGAIN_S
            touched = one.touched_at > (look.began if look else began)
            if unheard and now - one.asked_at < LINGER_S:
                self._plan(one, now + AGAIN_S)
            else:
                self._plan(one, one.ready_at if touched else now + one.part.every)
            self._changed.notify_all()

    def _tell(self, one: _Watched, look: Look | None) -> None:
        """Send what changed."""
        failing = look is None
        tag = look.etag if look else None
        if failing == one.failing and tag == one.sent:
            return
        if look is None:
            frame = Frame(sse.event({"part": one.part.name}, name="unavailable"), key=one.part.channel)
        else:
            frame = Frame(sse.event(one.part.partial(look, self._clock())), key=one.part.channel)
        one.frame, one.sent, one.failing = frame, tag, failing
        self._hub.publish({one.part.channel: [frame]})
