"""The cache: flask-caching on the store, values as JSON, never pickle. It works outside of a request too."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self, TypeVar, cast
from weakref import WeakValueDictionary

import flask_caching
import msgspec
from cachelib.serializers import JSONSerializer
from flask import Flask
from flask_caching.backends.rediscache import RedisCache
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as StoreTimeoutError
from redis.lock import Lock

from core import keys
from core.metrics import count_look
from core.store import Store, StoreError

T = TypeVar("T")

LOCK_S = 5.0
"""A process that died while it computed holds others up for at most so long."""
LOOK_EVERY_S = 0.02
CHEAP_S = 0.05
"""What was computed in less may be computed again soon."""


class _Json(JSONSerializer):
    """JSON or an error: what can't be written must not look as if it were kept, what can't be read is not there."""

    def dumps(self, value: Any, *args: Any, **kwargs: Any) -> bytes:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()

    def loads(self, bvalue: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return None if bvalue is None else json.loads(bvalue)
        except (ValueError, RecursionError):
            return None


class JsonRedisCache(RedisCache):
    """flask-caching's backend on the store's own connections, with the names of keys as they are given."""

    serializer = _Json()  # type: ignore[assignment]

    @classmethod
    def factory(cls, app: Flask, config: dict[str, Any], args: list[Any], kwargs: dict[str, Any]) -> Self:
        return cls(host=config["CACHE_STORE"].raw, default_timeout=kwargs["default_timeout"], key_prefix="")


class _Flight:
    """Whoever asks for what is being computed waits for it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


class Cache:
    def __init__(self, app: Flask, store: Store) -> None:
        config = {"CACHE_TYPE": "core.cache.JsonRedisCache", "CACHE_KEY_PREFIX": "", "CACHE_STORE": store}
        extension = flask_caching.Cache(app, config=config)
        self._backend = cast(JsonRedisCache, app.extensions["cache"][extension])
        self._store = store
        self._flights = WeakValueDictionary[str, _Flight]()

    def get(self, key: str) -> Any:
        """The JSON value under a key; None where there is none, or none that can be read. Raises StoreError."""
        try:
            return self._backend.get(key)
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                raise
            return None

    def set(self, key: str, value: Any, ttl_s: int) -> None:
        """Keep a JSON value for `ttl_s` seconds. Raises TypeError or ValueError for another, and StoreError."""
        self._backend.set(key, value, timeout=ttl_s)

    def get_or_compute(
        self,
        key: str,
        ttl_s: int,
        compute: Callable[[], T],
        name: str,
        type_: type[T],
        *,
        cheap_ttl_s: int | None = None,
    ) -> T:
        """The value under `key`, or a new one, computed once in the whole fleet while others wait for it.

        It is kept for `ttl_s` seconds; for `cheap_ttl_s`, where one is given and it was computed in less than CHEAP_S.
        It stands as JSON in the store and is checked against `type_` when it is read; one that does not fit is computed
        anew. Hits and misses count under `name`. Without the store each caller computes. Raises what `compute` does, and
        StoreError at once where the store does not answer in time: one wait is enough.
        """
        try:
            value = self._look(key, type_)
        except StoreTimeoutError:
            count_look(name, is_hit=False)
            raise
        except StoreError:
            value = None
        count_look(name, is_hit=value is not None)
        if value is not None:
            return value
        # Kept for as long as somebody is in it: readers choose keys, so there is no end of them.
        flight = self._flights.setdefault(key, _Flight())
        with flight.lock:
            return self._once(key, ttl_s, ttl_s if cheap_ttl_s is None else cheap_ttl_s, compute, type_)

    def _look(self, key: str, type_: type[T]) -> T | None:
        found = self.get(key)
        try:
            return None if found is None else msgspec.convert(found, type_)
        except msgspec.ValidationError:
            return None

    def _once(self, key: str, ttl_s: int, cheap_ttl_s: int, compute: Callable[[], T], type_: type[T]) -> T:
        lock = Lock(self._store.redis, keys.CACHE_LOCK.at(0, key), timeout=LOCK_S, thread_local=False)
        try:
            while not lock.acquire(blocking=False):
                if (value := self._look(key, type_)) is not None:
                    return value
                time.sleep(LOOK_EVERY_S)
            value = self._look(key, type_)
        except StoreTimeoutError:
            raise
        except StoreError:
            return compute()
        try:
            if value is None:
                began = time.monotonic()
                value = compute()
                kept_s = cheap_ttl_s if time.monotonic() - began < CHEAP_S else ttl_s
                with suppress(StoreError):  # This caller has its value; the next one computes again.
                    self.set(key, msgspec.to_builtins(value), kept_s)
            return value
        finally:
            with suppress(StoreError):  # It expires by itself, or did.
                lock.release()
