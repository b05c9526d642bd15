"""The duty `brokers`: follows each broker that is declared or discovered, in a thread of its own, as long as this process leads."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress

from core.config import Broker
from core.logs import printable
from core.site import Site
from core.store import StoreError, explain, is_away
from services.brokers import discovery, standings
from services.brokers.model import BrokerError, Snapshot, Standing

log = logging.getLogger("headway.brokers")

EVERY_S = 1.0
LEASE_S = 6.0
"""So long a follower goes on by itself: a process that leads no longer renews it no more."""
PAUSES_S = (1.0, 2.0, 5.0)
PATIENCE_S = 600.0
"""So long a follower is kept with what it gathered while Headway's own store is away, whoever leads meanwhile."""
SLOW_S = 30.0
"""A tick that takes longer is told of, and goes on."""


class Follower(ABC):
    """Follows one broker. It is made, ticked and closed in one thread. One whose tick raised is closed and made anew, so it need not
    mend itself: its first tick compares everything. But a StoreError leaves it, to go on at its next tick with all that it gathered."""

    every_s = 1.0
    """How long it rests between two ticks, unless it is woken."""
    least_s = 0.2
    """How long it rests at least, so that what comes together is taken together."""

    def __init__(self, site: Site, broker: Broker) -> None:
        self.site = site
        self.broker = broker
        self.woken = threading.Event()
        """Set by whoever hears that there is something to do; cleared before each tick."""

    @abstractmethod
    def tick(self) -> Snapshot:
        """Take in what changed, by `mirror`, and answer how the broker stands. Raises BrokerError for what its broker did
        (`connections.asking`), StoreError for Headway's own store alone."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections and threads. Raises nothing and takes no time."""


def follower(site: Site, broker: Broker) -> Follower:
    """Made for one broker. Engines are imported where they are used: they take time and room."""
    if broker.kind == "rq":
        from services.brokers.rq_follower import RqFollower

        return RqFollower(site, broker)
    from services.brokers.celery_follower import CeleryFollower

    return CeleryFollower(site, broker)


class Following:
    """All brokers of a site, and the discovery of one in `REDIS_URL`. `make` makes a follower."""

    def __init__(self, make: Callable[[Site, Broker], Follower] = follower) -> None:
        self._make = make
        self._followed: dict[str, Followed] = {}
        self._discovery = discovery.Discovery()

    def run(self, site: Site) -> None:
        """Renew what is followed, begin what is not. Takes no time of its own. Raises StoreError."""
        brokers = [(broker, False) for broker in site.config.queues]
        if (found := self._discovery.found(site)) is not None:
            brokers.append((found, True))
        for broker, is_discovered in brokers:
            followed = self._followed.get(broker.agent)
            if followed is None or not followed.is_alive():
                followed = self._followed[broker.agent] = Followed(site, broker, is_discovered, self._make)
                followed.start()
            followed.renew()
        standings.keep_only(site, [broker.agent for broker, _ in brokers])

    def end(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        for followed in self._followed.values():
            followed.release()
        for followed in self._followed.values():
            followed.join(max(0.0, until - time.monotonic()))


class Followed(threading.Thread):
    """A broker that is followed."""

    def __init__(self, site: Site, broker: Broker, discovered: bool, make: Callable[[Site, Broker], Follower]) -> None:
        super().__init__(name="headway-broker", daemon=True)
        self._make = make
        self._site = site
        self._broker = broker
        self._discovered = discovered
        self._until = 0.0
        self._began: float | None = None
        self._slow = False
        self._failures = 0
        self._away_since: float | None = None
        """Since when Headway's own store does not serve, of which the follower is to lose nothing."""
        self._ending = threading.Event()
        self._follower: Follower | None = None

    def renew(self) -> None:
        """Go on for `LEASE_S`; and tell where a tick takes too long. Raises StoreError."""
        self._until = time.monotonic() + LEASE_S
        began = self._began
        if began is not None and not self._slow and time.monotonic() - began > SLOW_S:
            self._slow = True
            self._note(f"it did not answer all of it within {SLOW_S:g} s", None)

    def release(self) -> None:
        """Let it end as soon as its tick has."""
        self._ending.set()
        if self._follower is not None:
            self._follower.woken.set()

    def run(self) -> None:
        self.renew()
        while not self._ending.is_set() and (time.monotonic() < self._until or self._is_kept):
            self._tick()
            self._rest()
        self._close()

    @property
    def _is_kept(self) -> bool:
        away = self._away_since
        return away is not None and self._follower is not None and time.monotonic() - away < PATIENCE_S

    def _tick(self) -> None:
        self._began, self._slow = time.monotonic(), False
        try:
            if self._away_since is not None:
                self._site.store.redis.ping()  # until then nothing is taken from where it waits
            if self._follower is None:
                self._follower = self._make(self._site, self._broker)
            self._follower.woken.clear()
            snapshot = self._follower.tick()
            self._note(None, snapshot)
            self._failures = 0
            if self._away_since is not None:
                self._away_since = None
                self._until = max(self._until, time.monotonic() + LEASE_S)  # who led leads again, in a moment
        except BrokerError as fault:
            self._failed(printable(str(fault)))
        except StoreError as fault:
            told = self._went_away if is_away(fault) else self._failed
            told(explain(fault))
        except Exception as fault:  # noqa: BLE001
            # The border around a broker: whatever went wrong in one, the others go on. Its text may hold a password.
            why = f"reading it failed ({type(fault).__name__}), of which Headway's log says more"
            if not self._failures:
                frames = "".join(traceback.format_tb(fault.__traceback__))
                log.error("The broker %s: %s\n%s", self._broker.agent, why, frames)
            self._failed(why)
        finally:
            self._began = None

    def _went_away(self, why: str) -> None:
        """Headway's own store did."""
        self._away_since = self._away_since or time.monotonic()
        if time.monotonic() - self._away_since > PATIENCE_S:
            self._close()
        self._tell(why)

    def _failed(self, why: str) -> None:
        self._close()
        self._away_since = None
        self._tell(why)

    def _tell(self, why: str) -> None:
        if not self._failures:
            log.warning("The broker %s is unavailable, because %s", self._broker.agent, why)
        self._failures += 1
        with suppress(StoreError):
            self._note(why, None)

    def _note(self, why: str | None, snapshot: Snapshot | None) -> None:
        at_ms = int(self._site.clock() * 1000)
        agent, engine = self._broker.agent, self._broker.kind
        standings.note(
            self._site,
            Standing(broker=agent, engine=engine, discovered=self._discovered, at_ms=at_ms, why=why, snapshot=snapshot),
        )

    def _rest(self) -> None:
        if self._follower is None or self._away_since is not None:
            self._ending.wait(PAUSES_S[min(self._failures, len(PAUSES_S)) - 1])
            return
        self._ending.wait(self._follower.least_s)
        self._follower.woken.wait(max(0.0, self._follower.every_s - self._follower.least_s))

    def _close(self) -> None:
        if self._follower is not None:
            self._follower.close()
            self._follower = None
