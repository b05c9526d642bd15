"""RQ's queues and registries against what Headway holds: only jobs that it does not know, or knows otherwise, are read.

Each comparison goes on step by step, as long as its caller has time. Registries are walked from their newest end, so that what leaves
at the other one meanwhile moves nothing; what is told of meanwhile is told by tracking.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec
import redis

from core import keys
from core.site import Site
from services.brokers import mirror, rq_keys, rq_scheduler_jobs
from services.brokers.connections import asking
from services.brokers.mirror_records import CHUNK, Known, known_of
from services.brokers.mirror_texts import name_of
from services.brokers.model import State
from services.brokers.rq_damage import Damage
from services.brokers.rq_fields import moment_ms, ms_of
from services.brokers.scores import scores

WINDOW = 1_000
TAKEN = 500
MOST_ORDERED = 200_000
"""Once so many that differ are found they are put in order and read: what is found after them comes behind."""
MOST_REPEATING = 500
"""Scheduled jobs of a queue that are read in any case at the beginning: they may repeat, which no registry says."""
MOST_RATES = 1_000
"""Keys of rate limits that are looked through at the beginning."""
FAILURE_TTL_S = 31_536_000
"""How long RQ keeps a failed job that names no time of its own."""
SAME_S = 5.0

Take = Callable[[Sequence[bytes]], None]
Steps = Iterator[int]
"""How many jobs differed at each step."""


class Compared(NamedTuple):
    """What is compared: RQ in its Redis, what of it is damaged, and an agent's jobs; `take` has those read that differ."""

    client: redis.Redis
    damage: Damage
    site: Site
    agent: str
    take: Take


def everything(of: Compared, theirs: Mapping[str, Mapping[State, int]]) -> Steps:
    """All queues and states, by RQ's counts of them, which leave out what is damaged. What differs is read in the order in which it was
    created, so that numbers rise with time. Raises BrokerError, StoreError."""
    found = list[bytes]()
    for steps in _places(of, theirs, found):
        yield from steps
        if len(found) >= MOST_ORDERED:
            yield from _oldest_first(of, found)
    yield from _oldest_first(of, found)


def of_state(of: Compared, queue: str, state: State) -> Steps:
    """One of `WAITING` of a queue; nothing where its place is damaged. Raises BrokerError, StoreError."""
    found = list[bytes]()
    yield from _waiting(of, queue, state, found)
    yield from _oldest_first(of, found)


def _places(of: Compared, theirs: Mapping[str, Mapping[State, int]], found: list[bytes]) -> Iterator[Steps]:
    """The comparison of each, which adds to `found` what differs, newest first."""
    for state in rq_keys.ENDED:
        for queue in theirs:
            if theirs[queue].get(state):
                yield _ended(of, queue, state, found)
    for queue, ours in counts(of.site, of.agent, sorted({*theirs, *_queues(of.site, of.agent)})).items():
        for state in rq_keys.WAITING:
            if ours[state] or theirs.get(queue, ours).get(state):
                yield _waiting(of, queue, state, found, is_first=True)
    yield _rate_limited(of, found)
    yield _kept_beside(of, found)


def _waiting(of: Compared, queue: str, state: State, found: list[bytes], *, is_first: bool = False) -> Steps:
    held, place = set[bytes](), rq_keys.place(queue, state)
    for ids in _held(of.site, of.agent, queue, state):
        held.update(ids)
        yield 0
    unknown = list[bytes]()
    for window in _windows(of, place, is_list=state == "queued"):
        ids = [id.split(b":")[0] for id, _ in window] if state == "started" else [id for id, _ in window]
        again = ids[:MOST_REPEATING] if state == "scheduled" and is_first and not unknown else []
        unknown += [id for id in ids if id not in held or id in again]
        held.difference_update(ids)
        yield 0
    if place in of.damage:
        return
    if state == "scheduled":
        yield from _leave_kept(of, held)
    found += unknown
    found += sorted(held)  # in this state no more


def _leave_kept(of: Compared, held: set[bytes]) -> Steps:
    """What rq-scheduler keeps is where it belongs. It is asked for by its ids: to walk the list, which is that of all queues, would cost
    that for each of them."""
    ids = sorted(held)
    for at in range(0, len(ids), WINDOW):
        part = ids[at : at + WINDOW]
        held.difference_update(id for id, due in zip(part, _kept_until(of, part), strict=True) if due is not None)
        yield 0


def _kept_until(of: Compared, ids: Sequence[bytes]) -> list[float | None]:
    key = rq_keys.RQ_SCHEDULER_JOBS
    with asking():
        return [of.damage.of(key, due) for due in scores(of.client, key, ids)]


def counts(site: Site, agent: str, queues: Sequence[str]) -> dict[str, dict[State, int]]:
    """How many jobs Headway holds in each of `WAITING`. Raises StoreError."""
    partition = site.store.partition_of(agent)
    with site.store.raw.pipeline(transaction=False) as pipeline:
        for queue in queues:
            for state in rq_keys.WAITING:
                pipeline.zcard(keys.QUEUE_STATE.at(partition, state, f"{agent}/{name_of(queue)}"))
        answers = iter(pipeline.execute())
    return {queue: {state: next(answers) for state in rq_keys.WAITING} for queue in queues}


def _rate_limited(of: Compared, unknown: list[bytes]) -> Steps:
    """Jobs that wait for their rate stand in no registry of a queue."""
    rates = of.damage.asked(rq_keys.RATES, lambda: of.client.srandmember(rq_keys.RATES, MOST_RATES))
    for rate in rates or ():
        for window in _windows(of, rq_keys.RATE + rate + rq_keys.RATE_LIMITED, is_list=False):
            ids = [id for id, _ in window]
            records = known_of(of.site, of.agent, [rq_keys.text(id) for id in ids])
            unknown += [id for id, one in zip(ids, records, strict=True) if one is None]
            yield 0


def _kept_beside(of: Compared, wanted: list[bytes]) -> Steps:
    """Neither do those that rq-scheduler keeps. What recurs is read in any case: that makes it a schedule."""
    for window in _windows(of, rq_keys.RQ_SCHEDULER_JOBS, is_list=False):
        records = known_of(of.site, of.agent, [rq_keys.text(id) for id, _ in window])
        wanted += [id for (id, at), one in zip(window, records, strict=True) if _is_wanted(one, at)]
        yield 0


def _is_wanted(record: Known | None, due_s: float) -> bool:
    if record is None or rq_scheduler_jobs.recurs(record.metadata):
        return True
    return record.state == "scheduled" and record.due != ms_of(due_s)


def _queues(site: Site, agent: str) -> list[str]:
    """Those that Headway's jobs name, which RQ need not know any more."""
    found: Any = site.store.raw.zrange(keys.QUEUES.at(site.store.partition_of(agent)), 0, -1)
    named = (name.decode().partition("/") for name in found)
    return [queue for of, _, queue in named if of == agent]


def _ended(of: Compared, queue: str, state: State, unknown: list[bytes]) -> Steps:
    """What Headway holds as ended stays so, whether RQ remembers it or not: only this way round is compared."""
    for window in _windows(of, rq_keys.place(queue, state), is_list=False):
        records = known_of(of.site, of.agent, [rq_keys.text(id) for id, _ in window])
        unknown += [id for (id, score), one in zip(window, records, strict=True) if not _is_same(one, state, score)]
        yield 0


def _is_same(record: Known | None, state: State, score: float) -> bool:
    """A registry's score is the end and how long it is kept: so a job that failed once more shows."""
    if record is None or record.state not in ((state, "stopped") if state == "failed" else (state,)):
        return False
    if state != "failed" or record.finished is None:
        return True
    return abs(score - record.finished / 1000 - _failure_ttl_s(record)) < SAME_S


def _failure_ttl_s(record: Known) -> float:
    try:
        ttl_s: Any = msgspec.json.decode(record.metadata or "{}").get("failure_ttl_s")
    except (msgspec.DecodeError, AttributeError):
        return FAILURE_TTL_S
    return ttl_s if isinstance(ttl_s, int | float) else FAILURE_TTL_S


def _held(site: Site, agent: str, queue: str, state: State) -> Iterator[list[bytes]]:
    after = 0
    while found := mirror.held(site, agent, queue, state, after, CHUNK):
        yield [id.encode() for _, id in found]
        after = found[-1][0]


def _windows(of: Compared, key: bytes, *, is_list: bool) -> Iterator[list[tuple[bytes, float]]]:
    """Ids of a list or a sorted set, newest first, each with its score; none where it is damaged."""
    start = 0
    while True:
        if is_list:
            ids = of.damage.asked(key, partial(of.client.lrange, key, -start - WINDOW, -start - 1))
            window = [(id, 0.0) for id in reversed(ids or ())]
        else:
            found = partial(of.client.zrevrange, key, start, start + WINDOW - 1, withscores=True)
            window = of.damage.asked(key, found) or []
        if window:
            yield window
        if len(window) < WINDOW:
            return
        start += WINDOW


def _oldest_first(of: Compared, found: list[bytes]) -> Steps:
    """Have what was found read, and forget it. No place of RQ's is in the order of creation: jobs stand in it by when they end or are due, or
    come back to it."""
    ids = list(dict.fromkeys(reversed(found)))
    found.clear()
    created = array("q")
    for at in range(0, len(ids), WINDOW):
        with asking(), of.client.pipeline(transaction=False) as pipeline:
            for id in ids[at : at + WINDOW]:
                pipeline.hget(rq_keys.JOB + id, "created_at")
            told = pipeline.execute(raise_on_error=False)
        created.extend(moment_ms(one) or 0 if isinstance(one, bytes) else 0 for one in told)
        yield 0
    order = sorted(range(len(ids)), key=created.__getitem__)
    for at in range(0, len(order), TAKEN):
        part = [ids[place] for place in order[at : at + TAKEN]]
        of.take(part)
        yield len(part)
