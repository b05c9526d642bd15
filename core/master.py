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

from core import config, port, tokens
from core import uptime as _uptime  # noqa: F401  imported before the workers fork, it keeps the time of this start
from core.claim import Claim, FolderRefused
from core.embedded import Embedded, StoreFailed
from core.settings import SettingError, Settings, read

FILES = 65_536
"""Open files that are asked for: each connection takes one, and some systems begin with 256."""

OF_THE_WORKER = ("core.worker", "core.draining", "core.uptime")
"""Modules whose state a running worker holds."""

_store: Embedded | None = None
_claim: Claim | None = None
_greeting = ""


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
    global _greeting
    try:
        config.hold(settings(), os.environ)
        port.check(settings().host, settings().port)
        if settings().redis_url is None:
            _start_store(arbiter.log)
        _greeting = _greet()
    except (port.PortRefused, FolderRefused, StoreFailed, SettingError) as error:
        refuse(error)


def on_reload(arbiter: Any) -> None:
    try:
        config.hold(settings(), os.environ)
    except SettingError as error:
        arbiter.log.error("The configuration stays as it was: %s", error)


def when_ready(arbiter: Any) -> None:
    # Ctrl-C ends as SIGTERM does; gunicorn would cut off requests in flight.
    signal(SIGINT, lambda *_: arbiter.signal(SIGTERM, None))
    # A second master would want the same store and data folder.
    signal(SIGUSR2, SIG_IGN)
    arbiter.log.info(_greeting)


def on_exit(_arbiter: Any) -> None:
    if _store is not None:
        _store.stop()


def forget_modules() -> None:
    """In a fresh worker, while developing: what the master has imported is read again, as it is now."""
    import core

    for name in [name for name in sys.modules if name.startswith("core.") and name not in OF_THE_WORKER]:
        del sys.modules[name]
        if name.count(".") == 1:
            delattr(core, name.partition(".")[2])


def _greet() -> str:
    """How to get in. The link that holds a token is shown when the token is made, and never again."""
    made = settings().auth and tokens.admin_token(settings())[1]
    link = tokens.sign_in_link(settings())
    if made:
        return f"Headway is ready. Sign in once with {link}"
    link = link.partition("#")[0]
    if not settings().auth:
        return f"Headway is ready at {link} and asks nobody to sign in (HEADWAY_AUTH=off)"
    where = "HEADWAY_TOKEN" if settings().token else f"the token in {settings().data.resolve() / 'token'}"
    return f"Headway is ready. Sign in at {link} with {where}"


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
