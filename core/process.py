"""What a web process does besides answering, from its first moment to its last."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent
from flask import Flask

from core import duties
from core.event_reader import Readers
from core.site import Site
from core.store import StoreError, StoreUnfit

BEFORE_S = 2.0
"""How long serving waits for what a process should know before."""
BOOT_FAILED = 3
"""The exit code at which gunicorn's master gives up rather than starting the next worker."""
SETTLE_EVERY_S = 2.0
MOST_FILES = 65_536

_readers: Readers | None = None


def begin(worker: Any) -> None:
    """After the program is loaded, before it serves. Ends the process when the store is not one it can work on."""
    if not isinstance(worker.application, Flask):  # it could not be loaded, which is what it shows
        return
    site: Site = worker.application.extensions["headway"]
    if not _settle(site, worker.log):
        gevent.spawn(_settle_later, site, worker.log)
    _learn(site, worker.application.extensions["headway.learn"])
    duties.start(worker.application)
    _more_files()
    site.hub.start()
    global _readers
    _readers = Readers(site.bus)
    _readers.start()


def end() -> None:
    """After the last answer, while the store is still there."""
    duties.stop()
    if _readers is not None:
        _readers.stop()


def _more_files() -> None:
    """Each open stream is an open file, and many systems begin with few and allow many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _settle(site: Site, log: Any) -> bool:
    """Whether the store is known to fit; False when the store does not answer."""
    try:
        site.store.settle_partitions()
    except StoreError:
        return False
    except StoreUnfit as unfit:
        log.error("Headway can't start: %s", unfit)
        sys.exit(BOOT_FAILED)
    return True


def _learn(site: Site, learn: Callable[[Site], bool]) -> None:
    """What can't be known now is asked for again beside the work."""
    first = gevent.spawn(learn, site)
    first.join(BEFORE_S)
    if not first.value:
        gevent.spawn(_learn_later, site, learn)


def _learn_later(site: Site, learn: Callable[[Site], bool]) -> None:
    while not learn(site):
        gevent.sleep(SETTLE_EVERY_S)


def _settle_later(site: Site, log: Any) -> None:
    while not _settle(site, log):
        gevent.sleep(SETTLE_EVERY_S)
