"""Which jobs log lines are about: those that are given by their number are looked up, all at once."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any

import msgspec

from core import keys
from core.site import Site


class _Named(msgspec.Struct):
    agent: str
    id: str


_named = msgspec.msgpack.Decoder(_Named)


def names(site: Site, numbers: Collection[int]) -> dict[int, tuple[str, str]]:
    """The agent and id of those jobs that exist. Raises redis.RedisError."""
    by_partition: dict[int, list[int]] = {}
    for number in numbers:
        by_partition.setdefault(number % site.store.partitions, []).append(number)
    found: dict[int, tuple[str, str]] = {}
    for partition, some in by_partition.items():
        records: Any = site.store.raw.mget([keys.JOB.at(partition, number) for number in some])
        for number, record in zip(some, records, strict=True):
            if record is not None:
                with suppress(msgspec.DecodeError):  # a damaged record names nobody
                    job = _named.decode(record)
                    found[number] = (job.agent, job.id)
    return found
