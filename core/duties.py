"""Duties: what exactly one process of the fleet does for all, over and over.

Every web process stands by, and so does `python -m core.duties`; the leader runs them, each on a thread of its own. A duty
that raises is logged, counted and shown, and tried again after a while; it never takes the others down.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from flask import Flask

from core import keys
from core.database import DatabaseError
from core.leader import TTL_S, Leader, name_of
from core.metrics import DUTY_FAILURES
from core.settings import SettingError
from core.site import Site
from core.store import StoreError, explain, full

log = logging.getLogger("headway.duties")

STAND_BY_S = 0.25
LONGEST_PAUSE_S = 300.0
JOIN_S = 3.0


@dataclass(frozen=True)
class Duty:
    """`run(site)` is called every `every_s` seconds, and after a failure ever less often.

    One that `makes_room` does no harm in several processes at once: while the store is too full to take the leader's lock,
    each of them runs it, or nobody could and the store would stay full.
    """

    name: str
    every_s: float
    run: Callable[[Site], object]
    makes_room: bool = False
    end: Callable[[float], object] | None = None
    """Called as the process ends, with the seconds that what goes on in threads of the duty's own may take."""
    longest_pause_s: float = LONGEST_PAUSE_S

    def pause_s(self, failures: int) -> float:
        """How long to wait after so many failures in a row."""
        return max(self.every_s, min(self.every_s * 2.0 ** min(failures, 30), self.longest_pause_s))


class Fared(msgspec.Struct, frozen=True):
    """How a duty's last run went. `failures` counts those in a row; `error` is the last one's words."""

    name: str
    every_s: float
    ran_at: float
    took_s: float
    failures: int = 0
    error: str | None = None
    failed_at: float | None = None


class Duties:
    """The duties of one process: it stands by until it leads."""

    def __init__(self, site: Site, duties: Sequence[Duty], ttl_s: float = TTL_S) -> None:
        self.site = site
        self.leader = Leader(site.store, name_of(site.fleet.process), ttl_s)
        self._duties = tuple(duties)
        self._claim_every_s, self._look_every_s = ttl_s / 5, ttl_s / 20
        self._full = False
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        serving: list[tuple[Callable[..., None], tuple[Any, ...]]] = [(self._claim, ())]
        serving += [(self._serve, (duty,)) for duty in self._duties]
        for target, args in serving:
            thread = threading.Thread(target=target, args=args, name="headway-duties", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Let the runs under way end, for a few seconds, and let another process lead."""
        self._ending.set()
        until = time.monotonic() + JOIN_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        for duty in self._duties:
            if duty.end is not None:
                duty.end(max(0.0, until - time.monotonic()))
        self.leader.resign()

    def _claim(self) -> None:
        led = False
        while not self._ending.is_set():
            try:
                self.leader.claim()
                self._full = False
            except StoreError as error:  # A lock that can't be renewed runs out by the clock.
                self._full = full(error)
            if self.leader.leads and not led:
                log.info("This process runs the duties")
                self._forget_former()
            led = self.leader.leads
            # Who stands by looks more often, so that little is missed of what can't be read later.
            self._ending.wait(self._claim_every_s if led else self._look_every_s)

    def _forget_former(self) -> None:
        """Drop what is noted of duties that no longer are."""
        with suppress(StoreError):
            noted = self.site.store.redis.hkeys(keys.DUTIES.at())
            if former := set(noted) - {duty.name for duty in self._duties}:
                self.site.store.redis.hdel(keys.DUTIES.at(), *former)

    def _serve(self, duty: Duty) -> None:
        fared: Fared | None = None
        while not self._ending.is_set():
            if not (self.leader.leads or (self._full and duty.makes_room)):
                self._ending.wait(STAND_BY_S)
                continue
            fared = self._run(duty, fared)
            with suppress(StoreError):
                self.site.store.redis.hset(keys.DUTIES.at(), duty.name, msgspec.json.encode(fared))
            self._ending.wait(duty.pause_s(fared.failures))

    def _run(self, duty: Duty, before: Fared | None) -> Fared:
        ran_at, began = self.site.clock(), time.perf_counter()
        error: str | None = None
        try:
            duty.run(self.site)
        except StoreError as fault:
            error = explain(fault)
            log.warning("The duty %s failed: %s", duty.name, error)
        except DatabaseError as fault:
            error = str(fault)
            if before is None or before.error != error or not before.failures:  # it may be away for hours
                log.warning("The duty %s failed: %s", duty.name, error)
        except Exception as fault:
            # The border around a duty: whatever went wrong in it, the others go on.
            error = f"{type(fault).__name__}: {fault}"[:500]
            log.exception("The duty %s failed", duty.name)
        took_s = time.perf_counter() - began
        if error is None:
            last_error, failed_at = (before.error, before.failed_at) if before else (None, None)
            return Fared(duty.name, duty.every_s, ran_at, took_s, 0, last_error, failed_at)
        DUTY_FAILURES.labels(duty=duty.name).inc()
        failures = before.failures + 1 if before else 1
        return Fared(duty.name, duty.every_s, ran_at, took_s, failures, error, ran_at)


_duties: Duties | None = None


def start(app: Flask, role: str = "web") -> None:
    """Begin this process's background work, once and after the fork: its part in the figures, standing by for duties."""
    global _duties
    site: Site = app.extensions["headway"]
    site.fleet.start(role)
    _duties = Duties(site, app.extensions["headway.duties"])
    _duties.start()


def stop() -> None:
    """End it: another process leads at once, and all that was counted is in the store. Takes a few seconds at most."""
    global _duties
    if _duties is not None:
        _duties.stop()
        _duties.site.fleet.stop()
        _duties = None


def main() -> int:
    """Run the duties in a process of its own until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    if not os.environ.get("REDIS_URL"):
        log.error(
            "REDIS_URL is not set, and duties on their own need it, for example REDIS_URL=redis://localhost:6379/0"
        )
        return 1
    ending = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: ending.set())
    try:
        start(importlib.import_module("app").create_app(), role="duties")
    except SettingError as fault:
        log.error("%s", fault)
        return 1
    ending.wait()
    stop()
    return 0


if __name__ == "__main__":
    # By its name, so that there is one module of this name in the process and not a second one called __main__.
    sys.exit(importlib.import_module("core.duties").main())
