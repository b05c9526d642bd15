"""Queues and functions as Headway's own indexes tell of them: how many jobs, how long they wait and run, the last hour by minute.

Of reported jobs as of those of RQ and Celery; what an engine counts itself is in its broker's snapshot.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from core import keys
from core.site import Site
from services import jobs_service
from services.job_model import Job, from_record, to_ms
from services.job_rules import ALL_STATES

MOST_QUEUES = 200
MOST_SEARCHED = 5_000
"""Names of queues, the last seen, that are looked through for what is sought: a store may have as many as it has jobs."""
MINUTES = 60

Field = Literal["queue", "function", "worker", "error", "tag"]


@dataclass(frozen=True, slots=True)
class Times:
    """How long the last `n` jobs took, 200 at most; in ms, None where there were none."""

    p50_ms: int | None = None
    p95_ms: int | None = None
    n: int = 0


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """An agent's queue. `counts` has the states that jobs are in, of `job_rules.ALL_STATES`. `oldest_ms` is since when the job with the lowest
    number waits; None where none does. `created`, `completed` and `failed` are of the last MINUTES, the present one last."""

    agent: str
    name: str
    last_seen_ms: int
    counts: Mapping[str, int]
    oldest_ms: int | None
    created: tuple[int, ...]
    completed: tuple[int, ...]
    failed: tuple[int, ...]
    wait: Times
    run: Times


@dataclass(frozen=True, slots=True)
class FunctionFigures:
    """A function of any agent: how many of its jobs there are, and how long the last ones waited and ran."""

    name: str
    last_seen_ms: int
    jobs: int
    wait: Times
    run: Times


def queues(site: Site, sought: str = "", besides: Collection[str] = ()) -> tuple[QueueFigures, ...]:
    """The queues that were seen last, MOST_QUEUES at most, of those whose AGENT/QUEUE holds what is sought, whatever the case; and
    `besides`, by AGENT/QUEUE, those of them that have jobs. By agent and name. Raises redis.RedisError."""
    newest = _newest(site, keys.QUEUES, MOST_SEARCHED if sought else MOST_QUEUES)
    found = [name for name in newest if sought.casefold() in name.casefold()][:MOST_QUEUES]
    seen = {name: newest[name] for name in found} | _seen(site, set(besides).difference(found))
    return tuple(sorted(_of(site, seen), key=lambda one: (one.agent, one.name)))


def one(site: Site, agent: str, name: str) -> QueueFigures | None:
    """None where the queue has no job. Raises redis.RedisError."""
    return next(_of(site, _seen(site, (f"{agent}/{name}",))), None)


def functions(site: Site, limit: int = 100) -> tuple[FunctionFigures, ...]:
    """The functions that were seen last and have jobs, by name. Raises redis.RedisError."""
    seen = _newest(site, keys.NAMED, limit, "function")
    partitions = range(site.store.partitions)
    names = list(seen)
    with site.store.raw.pipeline(transaction=False) as pipeline:
        for partition in partitions:
            for name in names:
                pipeline.zcard(keys.BY.at(partition, "function", name))
            fields = [f"{kind}\tf\t{name}" for name in names for kind in "wr"]
            pipeline.hmget(keys.QUEUE_TIMES.at(partition), fields or [""])
        answers: Any = iter(pipeline.execute())
    jobs, times = dict.fromkeys(names, 0), {name: [b"", b""] for name in names}
    for _ in partitions:
        for name in names:
            jobs[name] += next(answers)
        told = iter(next(answers))
        for name in names:
            times[name] = [kept + (next(told) or b"") for kept in times[name]]
    return tuple(
        FunctionFigures(name, seen[name], jobs[name], *map(_times, times[name])) for name in sorted(names) if jobs[name]
    )


def named(site: Site, field: Field, prefix: str = "", limit: int = 20) -> tuple[str, ...]:
    """What jobs named in a field and begins so, whatever the case, last seen first; of the newest 1,000. Raises redis.RedisError."""
    start = prefix.casefold()
    found = [name for name in _newest(site, keys.NAMED, None, field) if name.casefold().startswith(start)]
    return tuple(found[:limit])


def _newest(site: Site, key: keys.Key, most: int | None, *parts: str) -> dict[str, int]:
    """Names by when they were last seen, latest first."""
    seen: dict[str, int] = {}
    for partition in range(site.store.partitions):
        found: Any = site.store.redis.zrange(
            key.at(partition, *parts), 0, -1 if most is None else most - 1, desc=True, withscores=True
        )
        for name, at in found:
            seen[name] = max(int(at), seen.get(name, 0))
    return dict(sorted(seen.items(), key=lambda one: -one[1])[:most])


def _seen(site: Site, names: Collection[str]) -> dict[str, int]:
    """When these queues were last seen, of those that have jobs."""
    with site.store.redis.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.zscore(keys.QUEUES.at(_partition_of(site, name)), name)
        return {name: int(at) for name, at in zip(names, pipeline.execute(), strict=True) if at is not None}


def _of(site: Site, seen: Mapping[str, int]) -> Iterator[QueueFigures]:
    by_partition: dict[int, dict[str, int]] = {}
    for name, at in seen.items():
        by_partition.setdefault(_partition_of(site, name), {})[name] = at
    for partition, here in by_partition.items():
        yield from _of_partition(site, partition, here)


def _partition_of(site: Site, name: str) -> int:
    return site.store.partition_of(name.partition("/")[0])


def _of_partition(site: Site, partition: int, seen: Mapping[str, int]) -> Iterator[QueueFigures]:
    last = int(site.clock() // 60)
    minutes = range(last - MINUTES + 1, last + 1)
    with site.store.raw.pipeline(transaction=False) as pipeline:
        fields = [f"{what}\t{queue}" for queue in seen for what in ("created", "completed", "failed")]
        for minute in minutes:
            pipeline.hmget(keys.QUEUE_MINUTE.at(partition, minute), fields)
        pipeline.hmget(keys.QUEUE_TIMES.at(partition), [f"{kind}\t{queue}" for queue in seen for kind in "wr"])
        for queue in seen:
            for state in ALL_STATES:
                pipeline.zcard(keys.QUEUE_STATE.at(partition, state, queue))
            pipeline.zrange(keys.QUEUE_STATE.at(partition, "queued", queue), 0, 0)
        answers: Any = iter(pipeline.execute())
    series = zip(*(next(answers) for _ in minutes), strict=True)
    times = iter(next(answers))
    counts, first = dict[str, dict[str, int]](), dict[str, int]()
    for queue in seen:
        cards = {state: next(answers) for state in ALL_STATES}
        counts[queue] = {state: card for state, card in cards.items() if card}
        for number in next(answers):
            first[queue] = int(number)
    waiting = _waiting(site, partition, first)
    for queue, at in seen.items():
        agent, _, name = queue.partition("/")
        created, completed, failed = (tuple(int(count or 0) for count in next(series)) for _ in range(3))
        yield QueueFigures(
            agent, name, at, counts[queue], waiting.get(queue), created, completed, failed,
            wait=_times(next(times)), run=_times(next(times)),
        )  # fmt: skip


def _waiting(site: Site, partition: int, numbers: Mapping[str, int]) -> dict[str, int]:
    """Since when the job of each queue waits, in ms."""
    if not numbers:
        return {}
    records: Any = site.store.raw.mget([keys.JOB.at(partition, number) for number in numbers.values()])
    jobs = (from_record(number, record) for number, record in zip(numbers.values(), records, strict=True))
    found = zip(numbers, jobs, strict=True)
    return {queue: to_ms(jobs_service.waiting_since(job)) for queue, job in found if isinstance(job, Job)}


def times_of(spans_ms: Iterable[int]) -> Times:
    """Of what some jobs took."""
    spans = sorted(spans_ms)
    if not spans:
        return Times()
    # The least one that so many do not exceed.
    p50, p95 = (spans[-(-len(spans) * share // 100) - 1] for share in (50, 95))
    return Times(p50, p95, len(spans))


def _times(packed: bytes | None) -> Times:
    whole = (packed or b"")[: len(packed or b"") // 4 * 4]
    return times_of(struct.unpack(f"<{len(whole) // 4}I", whole))
