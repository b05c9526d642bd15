"""A channel's own thread: it claims what is due, sends it as one message, and notes how it went."""

from __future__ import annotations

import logging
import random
import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any

from core.config import Channel
from core.outgoing import policy_of
from core.outlets import NotSent, Outlet
from core.site import Site
from core.store import StoreError, explain
from services import notification_text, quiet_hours
from services.notification_model import Delivery, Notification, from_record

log = logging.getLogger("headway.notifications")

LEASE_S = 60.0
"""For how long what was claimed is one sender's: longer than a service's steps may take together."""
MOST_TRIES = 8
FIRST_PAUSE_S, FACTOR, LONGEST_PAUSE_S = 30.0, 3.0, 3600.0
"""Between tries: 30 s, 90 s, 4.5, 13.5 and 40 min, an hour; so the last one comes some three hours after the first."""
REST_S = 10.0
"""For how long a channel that has just failed is left alone, whatever comes for it."""
AT_ONCE = 10
"""Messages that a thread sends before it asks whether this process still leads."""
MOST_STUCK = 2
"""Threads of a channel that may hang for longer than a lease; with more of them it waits until one ends."""
NOTE_WITHIN_S = 20.0
"""How long the store may be away while it is told how a message went."""


class Lane:
    """A channel and its thread."""

    def __init__(self, site: Site, outlet: Outlet) -> None:
        self._site, self._outlet = site, outlet
        self._thread: threading.Thread | None = None
        self._moved_at = 0.0
        self._stuck: list[threading.Thread] = []
        self._rests_until = float("-inf")
        self._ending = False
        self._told: str | None = None
        """Why it took nothing, as the log has it; None while it takes what it gets."""

    @property
    def name(self) -> str:
        return self._channel.name

    @property
    def _channel(self) -> Channel:
        return self._outlet.channel

    def wake(self) -> None:
        """Send what is due, unless this is being done, or the channel rests."""
        if self._ending or self._rests() or (self._is_busy() and not self._give_up_thread()):
            return
        self._moved_at = time.monotonic()
        self._thread = threading.Thread(
            target=self._work, args=(self._outlet,), name=f"headway-notify-{self.name}", daemon=True
        )
        self._thread.start()

    def end(self) -> None:
        self._ending = True

    def join(self, within_s: float) -> None:
        if self._thread is not None:
            self._thread.join(max(0.0, within_s))

    def _rests(self) -> bool:
        """Not for longer than it was meant to, though the clock was set back."""
        return 0 < self._rests_until - self._site.clock() <= 2 * REST_S

    def _is_busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _give_up_thread(self) -> bool:
        """Whether the thread hangs for so long that another may take its place."""
        self._stuck = [thread for thread in self._stuck if thread.is_alive()]
        if time.monotonic() - self._moved_at < LEASE_S or len(self._stuck) >= MOST_STUCK:
            return False
        assert self._thread is not None  # noqa: S101
        self._stuck.append(self._thread)
        self._outlet = Outlet.of(self._channel, self._site.config.outgoing)
        log.warning("The channel %s hangs: what it was sent goes out again", self.name)
        return True

    def _work(self, outlet: Outlet) -> None:
        try:
            for _ in range(AT_ONCE):
                if self._ending or not (some := self._claim(token := uuid.uuid4().hex)):
                    return
                if not self._send(outlet, token, some):
                    self._rests_until = self._site.clock() + REST_S * random.uniform(0.5, 1.5)  # noqa: S311
                    return
                if outlet is not self._outlet:  # another thread has taken this one's place
                    return
                self._moved_at = time.monotonic()
        except StoreError as fault:
            log.warning("Notifications for %s wait: %s", self.name, explain(fault))
        except Exception as fault:  # noqa: BLE001
            # The border of a background thread. Its words and its trace might hold the address.
            log.error("Notifications for %s wait: %s", self.name, type(fault).__name__)

    def _claim(self, token: str) -> list[tuple[Notification, Delivery]]:
        now = self._site.clock()
        call: dict[str, Any] = {
            "o": "claim", "now": round(now * 1000), "c": self.name, "t": token, "lease": round(LEASE_S * 1000),
            "tries": MOST_TRIES, "most": notification_text.together(self._outlet.room),
        }  # fmt: skip
        quiet = self._channel.quiet
        until = quiet_hours.ends(quiet, now)
        if quiet is not None and until is not None:
            call["quiet"] = {"ends": round(until * 1000), "but": dict.fromkeys(quiet.but, True)}
        flat = self._site.store.scripts.run("sending", 0, call)
        found = [from_record(id.decode(), record) for id, record in zip(flat[::2], flat[1::2], strict=True)]
        return [(one, _delivery(one, self.name)) for one in found if isinstance(one, Notification)]

    def _send(self, outlet: Outlet, token: str, some: Sequence[tuple[Notification, Delivery]]) -> bool:
        """Whether the service took it; noted either way."""
        repeated = [one.id for one, delivery in some if delivery.may_be_repeated]
        message = notification_text.message(
            self._site.settings, self._channel, [one for one, _ in some], repeated, outlet.room
        )
        try:
            outlet.send(message, policy_of(self._site))
        except NotSent as fault:
            if str(fault) != self._told:
                self._told = str(fault)
                log.warning("The channel %s took nothing of %d: %s", self.name, len(some), fault)
            self._settle(token, error=str(fault), again=[[one.id, self._due(delivery)] for one, delivery in some])
            return False
        if self._told is not None:
            self._told = None
            log.info("The channel %s takes notifications again", self.name)
        self._settle(token, sent=message.ids)
        return True

    def _due(self, delivery: Delivery) -> int | None:
        """When it is tried again, in ms since the epoch; None where it is given up."""
        if delivery.tries >= MOST_TRIES:
            return None
        return round((self._site.clock() + pause_s(delivery.tries)) * 1000)

    def _settle(self, token: str, **told: Any) -> None:
        """Note how it went. What can't be noted counts as never told, and is sent again when its lease is over."""
        until = time.monotonic() + NOTE_WITHIN_S
        while True:
            call = {"o": "settle", "now": round(self._site.clock() * 1000), "c": self.name, "t": token, **told}
            try:
                self._site.store.scripts.run("sending", 0, call)
            except StoreError:
                if self._ending or time.monotonic() > until:
                    raise
                time.sleep(0.5)
            else:
                return


def pause_s(tries: int) -> float:
    """How long to wait after so many tries, spread so that not all come back at once."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * FACTOR ** (tries - 1)) * random.uniform(0.8, 1.2)  # noqa: S311


def _delivery(one: Notification, channel: str) -> Delivery:
    return next(delivery for delivery in one.deliveries if delivery.channel == channel)
