"""Scores of many members of a user's sorted set at once, also where its Redis is older than the command for it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import redis


def scores(client: redis.Redis, key: str | bytes, members: Sequence[str] | Sequence[bytes]) -> list[Any]:
    """Of each its score, None where it has none, or the ResponseError that there was instead. Raises redis.RedisError."""
    with suppress(
        redis.ResponseError
    ):  # of a Redis before 6.2, which needs a command each, or of a key of another type
        return list(client.zmscore(key, members))  # type: ignore[arg-type]
    with client.pipeline(transaction=False) as pipeline:
        for member in members:
            pipeline.zscore(key, member)
        return pipeline.execute(raise_on_error=False)
