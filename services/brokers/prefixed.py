"""A client whose keys all begin alike, as those of a Celery with a `global_keyprefix` do: whoever asks it names them without that."""

from __future__ import annotations

from typing import Any

import redis
from redis.client import Pipeline

_FIRST = {"GET", "HLEN", "HMGET", "LLEN", "LPOS", "LRANGE", "SMEMBERS", "STRLEN", "ZMSCORE", "ZRANGEBYSCORE", "ZSCORE"}
"""Commands whose first argument is their only key. Kombu's own client knows those alone that a worker needs."""
_ALL = {"DEL", "MGET"}
_NONE = {"PING", "TIME"}


class _Prefixing:
    prefix: str

    def execute_command(self, *words: Any, **options: Any) -> Any:
        return super().execute_command(*_named(words, self.prefix), **options)  # type: ignore[misc]


class Prefixed(_Prefixing, redis.Redis):
    """Does the commands that are listed here, and no others."""

    def __init__(self, pool: redis.ConnectionPool, prefix: str) -> None:
        super().__init__(connection_pool=pool)
        self.prefix = prefix

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        pipeline = PrefixedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.prefix = self.prefix
        return pipeline


class PrefixedPipeline(_Prefixing, Pipeline):
    """What is put into it has its keys named so."""


def _named(words: tuple[Any, ...], prefix: str) -> tuple[Any, ...]:
    command, *rest = words
    if command in _FIRST:
        return (command, _key(prefix, rest[0]), *rest[1:])
    if command in _ALL:
        return (command, *(_key(prefix, key) for key in rest))
    if command in _NONE:
        return words
    raise ValueError(f"where the keys of {command} stand is not known")


def _key(prefix: str, key: str | bytes) -> str | bytes:
    return prefix.encode() + key if isinstance(key, bytes) else prefix + key
