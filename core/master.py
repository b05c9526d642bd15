"""What gunicorn's master does for Headway: settings, the port, the embedded store, and a first word to the operator.

Its state lives here, in a module that is imported once: gunicorn runs its configuration file again at each SIGHUP.
Nothing here may import what gevent patches in the workers (redis, flask).
"""

from __future__ import annotations

import atexit
import os
import resource
import sys
from functools import cache
from signal import SIG_IGN, SIGINT, SIGTERM, SIGUSR2, signal
from typing import Any, NoReturn

from core import port
from core.claim import Claim, FolderRefused
from core.embedded import Embedded, StoreFailed
from core.settings import SettingError, Settings, read

FILES = 65_536
"""Open files that are asked for: each connection takes one, and some systems begin with 256."""

_store: Embedded | None = None
_claim: Claim | None = None


def refuse(reason: object) -> NoReturn:
    """One line, and the end."""
    sys.stderr.write(f"Headway can't start: {reason}\n")
    sys.exit(1)


@cache
def settings() -> Settings:
    """As they were at the start: what is changed later is read by the next start."""
    try:
        return read(os.environ)
    except SettingError as error:
        refuse(error)


def bind() -> str:
    host = settings().host
    return f"[{host}]:{settings().port}" if ":" in host and not host.startswith("[") else f"{host}:{settings().port}"


def on_starting(arbiter: Any) -> None:
    _raise_file_limit()
    try:
        port.check(settings().host, settings().port)
        if settings().redis_url is None:
            _start_store(arbiter.log)
    except (port.PortRefused, FolderRefused, StoreFailed) as error:
        refuse(error)


def when_ready(arbiter: Any) -> None:
    # Ctrl-C ends as SIGTERM does; gunicorn would cut off requests in flight.
    signal(SIGINT, lambda *_: arbiter.signal(SIGTERM, None))
    # A second master would want the same store and data folder.
    signal(SIGUSR2, SIG_IGN)
    arbiter.log.info("Headway is on %s", address())


def on_exit(_arbiter: Any) -> None:
    if _store is not None:
        _store.stop()


def address() -> str:
    """Where a browser on this machine finds the site."""
    if settings().url:
        return str(settings().url)
    host = settings().host.strip("[]")
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{settings().port}"


def _start_store(log: Any) -> None:
    global _store, _claim
    _claim = Claim(settings().data)
    _store = Embedded(settings().data, log.warning)
    atexit.register(_store.stop)  # where gunicorn ends without on_exit
    _store.start()
    os.environ["REDIS_URL"] = _store.url  # for the workers
    log.info("The store is an embedded Valkey on %s", settings().data.resolve())


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):  # macOS caps it lower than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(10_240, wanted), hard))
