"""How changes of jobs get to the script that makes them: so many a call, each with the numbers that it may give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from msgspec import Struct

from core import keys
from core.metrics import INGEST_UPDATES
from core.site import Site
from services.job_changes import Change

CHUNK = 500
"""Updates a call of the script: large enough to save round trips, small enough that others get their turn."""
CHUNK_BYTES = 1024 * 1024
"""Text a call of the script, where updates bear much of it: it holds up everybody for some twenty milliseconds."""
SPARE = 1000
"""Numbers left out where the store was emptied: they may have been given just before, and this process not know it yet."""
DAY_MS = 86_400_000

Kind = Literal["created", "applied", "kept", "missing", "damaged"]


class _Call(Struct, omit_defaults=True):
    p: int
    P: int
    keep: int
    want: bool
    u: list[Change]
    given: int | None = None
    above: int = 0
    spare: int = 0


def run(site: Site, partition: int, changes: list[Change], *, want: bool) -> list[tuple[Kind, Any, Any]]:
    """Make changes of a partition in one call, in their order: of each what became of it, the job's number, and its record where that is
    wanted. Raises redis.RedisError."""
    keep_ms = site.settings.keep_days * DAY_MS
    call = _Call(partition, site.store.partitions, keep_ms, want, changes, above=site.store.given, spare=SPARE)
    if site.store.partitions > 1 and (most := sum(change.n is None for change in changes)):
        call.given = _reserve(site, most)
    answers: list[list[Any]] = site.store.scripts.run("apply", partition, call)
    highest = max((int(number) for kind, number, _ in answers if kind == b"created"), default=0)
    site.store.saw(highest // site.store.partitions)
    for kind, times in Counter(kind for kind, _, _ in answers).items():
        INGEST_UPDATES.labels(outcome=kind.decode()).inc(times)
    return [(kind.decode(), number, record) for kind, number, record in answers]


def run_all(site: Site, chunk: Iterable[tuple[int, int, Change]]) -> list[tuple[int, Kind]]:
    """Make changes, each with a place and its partition, in their order, a call a partition and CHUNK; what became of each by its place.
    Raises redis.RedisError."""
    by_partition: dict[int, list[tuple[int, Change]]] = {}
    for place, partition, change in chunk:
        by_partition.setdefault(partition, []).append((place, change))
    done = list[tuple[int, Kind]]()
    for partition, placed in by_partition.items():
        for part in _calls(placed):
            answers = run(site, partition, [change for _, change in part], want=False)
            done += [(place, kind) for (place, _), (kind, _, _) in zip(part, answers, strict=True)]
    return done


def _reserve(site: Site, most: int) -> int:
    """The count before `most` numbers that are this call's. They rise over the whole site, so no partition may count alone;
    those that go unused are left out."""
    given = site.store.given  # known before the store is asked: others go on counting meanwhile
    before = int(site.store.redis.incrby(keys.NUMBER.at(), most)) - most
    if before >= given:
        return before
    site.store.scripts.run("number", 0, {"above": given + SPARE})  # the store was emptied
    return int(site.store.redis.incrby(keys.NUMBER.at(), most)) - most


def _calls(placed: list[tuple[int, Change]]) -> Iterator[list[tuple[int, Change]]]:
    """`placed` in order, cut so that no call holds more than CHUNK updates, nor far more text than CHUNK_BYTES."""
    part, size = list[tuple[int, Change]](), 0
    for one in placed:
        part.append(one)
        size += one[1].text_length
        if len(part) == CHUNK or size >= CHUNK_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
