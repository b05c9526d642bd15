"""Finds jobs in the store by what they name, from indexes alone: the smallest one is walked, the others are asked.

The work of a call is bounded. Where it ends before the page is full, the cursor says where to go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core import keys
from core.site import Site
from services import job_counts
from services.job_model import DamagedJob, Job, from_record
from services.job_rules import ALL_STATES, STATUSES, UNCOUNTED, Status

STEPS = 5_000
"""Index entries that a call looks at, and one round more at most."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which jobs are meant: of several values any, of several fields all. An empty one narrows nothing. Among `statuses`, `failed` leaves
    out what was ended on purpose. `states` are those of ALL_STATES: what was told of a job, or the status of one with a queue or an engine."""

    statuses: tuple[Status, ...] = ()
    states: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    queue: tuple[str, ...] = ()
    function: tuple[str, ...] = ()
    worker: tuple[str, ...] = ()
    error: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A page, newest first. A cursor is None where there is nothing further on that side; a page may hold fewer jobs than asked for,
    even none, and go on. `total` is None where only a walk of all could tell; `looked_at` is how many index entries it took."""

    items: tuple[Job | DamagedJob, ...]
    next_cursor: int | None
    previous_cursor: int | None
    total: int | None
    looked_at: int


def find(
    site: Site, conditions: Conditions, *, before: int | None = None, after: int | None = None, limit: int = 50
) -> Found:
    """The newest jobs, those before a number, or those just after one. Raises redis.RedisError."""
    ends, found = list[int](), list[tuple[int, bytes | None]]()
    total = looked_at = 0
    place = {"above": after} if after is not None else {"below": before} if before is not None else {}
    for partition, indexes in _partitions(site, conditions):
        size, looked, end, *flat = _walk(site, partition, indexes, limit=limit + 1, records=True, **place)
        total, looked_at = total + size, looked_at + looked
        found += zip((int(number) for number in flat[::2]), flat[1::2], strict=True)
        ends += [int(end)] if end is not None else []
    falling = after is None
    # Beyond where the first partition stopped, others may have jobs and this one not have come to its own.
    bound = (max(ends) if falling else min(ends)) if ends else None
    if bound is not None:
        found = [one for one in found if (one[0] >= bound if falling else one[0] <= bound)]
    found.sort(key=lambda one: one[0], reverse=falling)
    beyond = found[limit - 1][0] if len(found) > limit else bound
    items = tuple(from_record(number, record) for number, record in found[:limit])
    if not falling:
        items = items[::-1]
    is_all = place == {} and beyond is None
    return Found(
        items,
        next_cursor=beyond if falling else after + 1 if after else None,
        previous_cursor=(before - 1 if before is not None else None) if falling else beyond,
        total=total if _is_countable(conditions) else len(items) if is_all else None,
        looked_at=looked_at,
    )


def count(site: Site, conditions: Conditions, most: int) -> tuple[int, bool]:
    """How many jobs there are, and whether that is all of them: about `most` index entries are looked at, where they have to be.

    Raises redis.RedisError.
    """
    counted = looked_at = 0
    for partition, indexes in _partitions(site, conditions):
        below: dict[str, int] = {}
        while True:
            size, looked, end, *flat = _walk(site, partition, indexes, limit=STEPS, records=False, **below)
            if _is_countable(conditions):
                counted += size
                break
            counted, looked_at = counted + len(flat) // 2, looked_at + looked
            if end is None:
                break
            if looked_at >= most:
                return counted, False
            below = {"below": int(end)}
    return counted, True


Indexes = dict[str, list[list[str]] | list[str]]
"""`groups` and `without` as the script takes them."""


def _walk(site: Site, partition: int, indexes: Indexes, *, limit: int, records: bool, **place: int) -> list[Any]:
    call = {**indexes, "limit": limit, "steps": STEPS, "records": records, **place}
    answer: list[Any] = site.store.scripts.run("find", partition, call)
    return answer


def _partitions(site: Site, conditions: Conditions) -> list[tuple[int, Indexes]]:
    """The partitions that may have such jobs, each with the indexes to look into."""
    if conditions.statuses and conditions.states and set(conditions.states) <= set(UNCOUNTED):
        return []
    if not conditions.agents:
        return [(partition, _indexes(conditions, ())) for partition in range(site.store.partitions)]
    agents: dict[int, list[str]] = {}
    for agent in dict.fromkeys(conditions.agents):
        agents.setdefault(site.store.partition_of(agent), []).append(agent)
    return [(partition, _indexes(conditions, here)) for partition, here in sorted(agents.items())]


def _indexes(asked: Conditions, agents: Sequence[str]) -> Indexes:
    without = job_counts.on_purpose(agents) if "failed" in asked.statuses else []
    return {"groups": _groups(asked, agents), "without": without}


def _groups(asked: Conditions, agents: Sequence[str]) -> list[list[str]]:
    """Lists of indexes: a job has to be in one of each. Those that know more than one field at once are taken where they can be."""
    statuses = dict.fromkeys(asked.statuses)
    groups = list[list[str]]()
    by_queue = bool(agents and asked.queue)
    if by_queue:
        queues = [f"{agent}/{queue}" for agent in agents for queue in dict.fromkeys(asked.queue)]
        states = dict.fromkeys(asked.states or ALL_STATES)
        groups.append([f"{keys.QUEUE_STATE.suffix}{state}:{queue}" for state in states for queue in queues])
    else:
        groups += [_by(field, values) for field, values in (("queue", asked.queue), ("state", asked.states)) if values]
    named = (("function", asked.function), ("worker", asked.worker), ("error", asked.error), ("tag", asked.tag))
    groups += [_by(field, values) for field, values in named if values]
    if agents and not by_queue:
        ranks = statuses or STATUSES
        groups.append([f"{keys.AGENT_STATUS.suffix}{status}:{agent}" for status in ranks for agent in agents])
    elif statuses or not groups:
        groups.append([f"{keys.STATUS.suffix}{status}" for status in statuses or STATUSES])
    return groups


def _by(field: str, values: Sequence[str]) -> list[str]:
    return [f"{keys.BY.suffix}{field}:{value}" for value in dict.fromkeys(values)]


def _is_countable(conditions: Conditions) -> bool:
    """Whether one group of indexes answers all, and no job is in two of them."""
    return len(_groups(conditions, conditions.agents)) == 1 and len(set(conditions.tag)) <= 1
