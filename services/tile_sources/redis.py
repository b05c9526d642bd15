"""One of the fixed commands that only read, asked of Headway's own store or of another Redis."""

from __future__ import annotations

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from core.config.sources import Redis
from services.tile_sources.reading import Context, SourceError, number

MOST_TEXT = 64
"""Characters that a number may have: of a longer value no more is fetched."""
TOO_LONG = f"the key holds a text of more than {MOST_TEXT} characters, which is no number"


def read(source: Redis, context: Context) -> int | float | None:
    """The number that the command answers; None where the key, field or member is missing. Raises SourceError, StoreError."""
    if source.url is None:
        return _asked(context.site.store.redis, source)
    client = context.before.get("client")
    if client is None:
        client = context.before["client"] = _connect(source.url, context.timeout_s)
    try:
        return _asked(client, source)
    except redis.RedisError as fault:
        raise SourceError(_words(fault, context.timeout_s)) from fault


def _asked(client: redis.Redis, source: Redis) -> int | float | None:
    command = source.command.upper()
    ask: Any = client.execute_command
    try:
        if command == "GET":
            answer = ask("GETRANGE", source.key, 0, MOST_TEXT) or None
        elif command == "HGET" and ask("HSTRLEN", source.key, *source.args) > MOST_TEXT:
            raise SourceError(TOO_LONG)
        else:
            answer = ask(command, source.key, *source.args)
    except ResponseError as fault:
        if "WRONGTYPE" in str(fault):
            raise SourceError(f"the key holds another type than {command} reads") from fault
        raise
    if isinstance(answer, str) and len(answer) > MOST_TEXT:
        raise SourceError(TOO_LONG)
    return None if answer is None else number(answer, "what the key holds")


def _connect(url: str, timeout_s: float) -> redis.Redis:
    """One connection, kept between readings, on which nothing waits for longer than a reading may take."""
    return redis.Redis.from_url(
        url,
        max_connections=1,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        decode_responses=True,
        encoding_errors="replace",
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )


def _words(fault: redis.RedisError, timeout_s: float) -> str:
    """Without the address, which may hold a password."""
    text = str(fault)
    if isinstance(fault, AuthenticationError) or text.startswith(("NOAUTH", "WRONGPASS")):
        return "the Redis server refused the password of the source's url"
    if isinstance(fault, RedisTimeoutError):
        return f"the Redis server did not answer within {timeout_s:g} s"
    if isinstance(fault, RedisConnectionError):
        return "the Redis server can't be reached"
    return f"the Redis server answered: {text}"
