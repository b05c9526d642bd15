"""One leader in the fleet: whoever holds a lock in the store that expires unless it is renewed."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from redis.exceptions import LockError
from redis.lock import Lock

from core import keys
from core.store import Store, StoreError

TTL_S = 10.0


class Leader:
    """This process's claim to lead. `name` is what others see of the holder; `clock` is monotonic, in seconds."""

    def __init__(
        self, store: Store, name: str, ttl_s: float = TTL_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._lock = Lock(store.redis, keys.LEADER.at(), timeout=ttl_s, thread_local=False)
        self._ttl_s = ttl_s
        self._clock = clock
        self._until = float("-inf")

    @property
    def leads(self) -> bool:
        """Whether the lock is surely ours still; false a little before it can be another's."""
        return self._clock() < self._until

    def claim(self) -> bool:
        """Take the lock or renew it; whether this process leads. To be called a few times in `ttl_s`. Raises StoreError."""
        asked_at = self._clock()
        if self._taken():
            # Counted from before the question: the store's own count began later.
            self._until = asked_at + self._ttl_s * 0.8
        else:
            self._until = float("-inf")
        return self.leads

    def _taken(self) -> bool:
        # The token is asked for first, since an answer to an earlier claim may have been lost on its way.
        holder = self._lock.redis.get(self._lock.name)
        if holder is not None and _has_died(str(holder), self._name):
            with suppress(LockError):  # it may be another's already
                self._lock.do_release(self._lock.redis.get_encoder().encode(holder))
        if holder == self._name:
            self._lock.local.token = self._lock.redis.get_encoder().encode(self._name)
            try:
                self._lock.reacquire()
            except LockError:
                return False
            return True
        return bool(self._lock.acquire(blocking=False, token=self._name))

    def resign(self) -> None:
        """Let another lead at once. The store need not answer."""
        self._until = float("-inf")
        try:
            self._lock.release()
        except StoreError:
            return  # Not ours, or it expires.


def name_of(process: str) -> str:
    """This process as a holder: `host:pid:where:process`. What `where` says is empty where it can't be known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        where = f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        where = ""
    return f"{socket.gethostname()}:{os.getpid()}:{where}:{process}"


def _has_died(holder: str, ours: str) -> bool:
    """Whether a holder was killed that counts its processes where we do: then nobody needs to wait until its lock expires."""
    theirs, mine = holder.split(":"), ours.split(":")
    if len(theirs) != 4 or len(mine) != 4 or not mine[2] or theirs[2] != mine[2] or not theirs[1].isdecimal():
        return False
    try:
        os.kill(int(theirs[1]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def holder(store: Store) -> str | None:
    """Who leads, by the name it gave. Raises StoreError."""
    name = store.redis.get(keys.LEADER.at())
    return None if name is None else str(name)
