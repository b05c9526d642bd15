"""How often somebody may try: counted in the store for all processes, in memory while the store is away."""

from __future__ import annotations

import ipaddress
import math
import time

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage

from core import keys
from core.store import Store, StoreError

SIGN_IN = RateLimitItemPerMinute(10, 5, "sign-in")
"""Attempts of an address, or of a browser that signed in before, in five minutes. One that succeeds is given back."""
WRONG_TOKEN = RateLimitItemPerMinute(30, 5, "wrong-token")
"""Wrong bearer tokens of an address in five minutes. A right one is never held up, so that nobody can shut out a
worker who shares its address."""
REST_S = 3.0


def ingest(requests_a_minute: int) -> RateLimitItem:
    return RateLimitItemPerMinute(requests_a_minute, 1, "ingest")


class Limits:
    def __init__(self, store: Store) -> None:
        self._store = RedisStorage("redis://", connection_pool=store.redis.connection_pool, key_prefix=keys.LIMIT.at())
        self._memory: MemoryStorage | None = None
        self._rest_until = 0.0

    def wait_s(self, limit: RateLimitItem, name: str) -> int | None:
        """Count one attempt of `name`. None when it is within the limit, else the seconds until the next may be."""
        key, window_s = limit.key_for(name), limit.get_expiry()
        if time.monotonic() >= self._rest_until:
            try:
                if self._store.incr(key, window_s) <= limit.amount:
                    return None
                return _wait_s(self._store.get_expiry(key))
            except StoreError:
                self._rest_until = time.monotonic() + REST_S
        memory = self._in_memory()
        return None if memory.incr(key, window_s) <= limit.amount else _wait_s(memory.get_expiry(key))

    def give_back(self, limit: RateLimitItem, name: str) -> None:
        """Take back the attempt counted last: it was a good one."""
        key = limit.key_for(name)
        if time.monotonic() >= self._rest_until:
            try:
                self._store.incr(key, limit.get_expiry(), -1)
            except StoreError:
                self._rest_until = time.monotonic() + REST_S
            else:
                return
        self._in_memory().decr(key)

    def _in_memory(self) -> MemoryStorage:
        if self._memory is None:  # it keeps a timer, which most processes never need
            self._memory = MemoryStorage()
        return self._memory


def _wait_s(until: float) -> int:
    return max(1, math.ceil(until - time.time()))


def address(remote: str | None) -> str:
    """One name for all addresses that one visitor has at hand: an IPv4 address, or an IPv6 network of 64 bits.

    What is no address, such as a forged header, counts under one name, so it never grows the store.
    """
    text = (remote or "").strip()
    try:
        given = ipaddress.ip_address(text.partition("]")[0].lstrip("[") if text.startswith("[") else text)
    except ValueError:
        host, _, port = text.rpartition(":")
        if not port.isdigit() or ":" in host:
            return "unknown"
        return address(host)
    if given.version == 4:
        return str(given)
    if given.ipv4_mapped:
        return str(given.ipv4_mapped)
    return str(ipaddress.ip_network((int(given) >> 64 << 64, 64)))
