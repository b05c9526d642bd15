"""Which keys of a user's Redis changed, told by the server itself (CLIENT TRACKING in broadcast mode): nothing is asked for that
stayed as it was."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis.exceptions import NoPermissionError

from core.config.sentinels import Address
from core.logs import printable
from services.brokers import connections
from services.brokers.model import BrokerError

log = logging.getLogger("headway.brokers")

CHANNEL = b"__redis__:invalidate"
LOOK_S = 1.0
"""How soon it ends when it is closed."""
PING_S = 10.0
"""After so long without a word it is asked whether the connection still is one, and lost after as long again."""
RETRY_S = (0.5, 1.0, 2.0, 5.0)
NEEDED = "+client|id +client|tracking +subscribe +ping &__redis__:invalidate"
"""What the ACL of a user has to allow."""
MOST_KEYS = 200_000
"""What is not taken is kept up to so many keys; beyond them all is to be compared."""


@dataclass(frozen=True)
class Changes:
    """`lost`: others may have changed besides, since nobody listened for a while or too much came: compare everything."""

    keys: frozenset[bytes]
    lost: bool


class Tracking:
    """Listens from its making until `close`, in a thread of its own. No prefix may begin with another; databases are not told
    apart. `name` is what the log calls the broker. `woken` is set as soon as there is something to take."""

    def __init__(
        self, address: Address, prefixes: Sequence[str], name: str, woken: threading.Event | None = None
    ) -> None:
        self._address = address
        self._prefixes = tuple(prefixes)
        self._name = name
        self._lock = threading.Lock()
        self._keys: set[bytes] = set()
        self._lost = True
        self._why: str | None = "it is not listened to yet"
        self._ending = threading.Event()
        self.woken = woken or threading.Event()
        self._thread = threading.Thread(target=self._run, name="headway-tracking", daemon=True)
        self._thread.start()

    @property
    def why(self) -> str | None:
        """Why changes are not told at present, to go on behind "because"; None while they are."""
        return self._why

    def take(self) -> Changes:
        """What changed since this was asked last. The first answer is lost, and the first after each time that nobody listened:
        what is read after it is told of from then on. While `why` says so, nothing is told, and nothing is lost anew."""
        with self._lock:
            keys, self._keys = self._keys, set()
            lost, self._lost = self._lost, False
        return Changes(frozenset(keys), lost)

    def close(self) -> None:
        self._ending.set()

    def _run(self) -> None:
        failures = 0
        while not self._ending.is_set():
            try:
                connection = self._begun()
                failures = 0
                self._why = None
                _note(self._name, None)
                self._lose()
                try:
                    self._listen(connection)
                finally:
                    connection.disconnect()
            except (redis.RedisError, OSError, BrokerError) as fault:
                is_refused = isinstance(fault, NoPermissionError)
                self._why = (
                    f"the user of its url may not do that: it needs {NEEDED}" if is_refused else connections.why(fault)
                )
                _note(self._name, self._why)
            self._ending.wait(RETRY_S[min(failures, len(RETRY_S) - 1)])
            failures += 1

    def _begun(self) -> Any:
        """A connection that hears of its own tracking: over RESP2 messages come to who is subscribed to them."""
        connection = connections.connection_of(self._address)
        try:
            id = _said(connection, "CLIENT", "ID")
            named = [word for prefix in self._prefixes for word in ("PREFIX", prefix)]
            _said(connection, "CLIENT", "TRACKING", "ON", "REDIRECT", id, "BCAST", *named)
            _said(connection, "SUBSCRIBE", CHANNEL)
        except BaseException:
            connection.disconnect()
            raise
        return connection

    def _listen(self, connection: Any) -> None:
        heard = time.monotonic()
        pinged = False
        while not self._ending.is_set():
            if connection.can_read(timeout=LOOK_S):
                self._take_in(connection.read_response())
                heard, pinged = time.monotonic(), False
            elif time.monotonic() - heard > 2 * PING_S:
                raise redis.TimeoutError("no answer to a ping")
            elif time.monotonic() - heard > PING_S and not pinged:
                connection.send_command("PING", check_health=False)
                pinged = True

    def _take_in(self, message: Any) -> None:
        if not isinstance(message, list) or message[:1] != [b"message"]:
            return  # the answer to a ping
        if message[2] is None:  # the database was emptied
            self._lose()
            return
        with self._lock:
            self._keys.update(message[2])
            if len(self._keys) > MOST_KEYS:
                self._keys, self._lost = set(), True
        self.woken.set()

    def _lose(self) -> None:
        with self._lock:
            self._keys, self._lost = set(), True
        self.woken.set()


_untold: set[str] = set()
"""Names of brokers whose changes are not told at present. Whoever follows one makes its tracking anew wherever that fails."""


def _note(name: str, why: str | None) -> None:
    """Tell the log once when it begins, and once when it is over."""
    if why is not None and name not in _untold:
        _untold.add(name)
        log.warning("Changes of %s are not told by its Redis, because %s", printable(name), printable(why))
    elif why is None and name in _untold:
        _untold.discard(name)
        log.info("Changes of %s are told by its Redis again", printable(name))


def _said(connection: Any, *words: object) -> Any:
    connection.send_command(*words)
    return connection.read_response()
