"""Jobs of a broker become Headway's own here, by the script that takes what reporters say: so everything knows of them.

What Headway's store raises passes through.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from core import keys
from core.config.brokers import Engine
from core.site import Site
from services import jobs_service
from services.brokers import mirror_changes
from services.brokers.mirror_records import CHUNK, known, known_of, our_id
from services.brokers.mirror_texts import name_of
from services.brokers.model import EngineJob, State
from services.job_changes import Change


def take(site: Site, agent: str, engine: Engine, jobs: Sequence[EngineJob]) -> None:
    """Let Headway's jobs say what the engine says. What is so already costs a reading and no event. Several of one id are taken in their
    order, as one change where they tell of one attempt. Raises StoreError."""
    telling = Telling(site, agent, engine)
    telling.add(jobs)
    telling.tell()


class Telling:
    """The same for who can't ask the engine once more: what Headway's store did not take stays here until it is back."""

    def __init__(self, site: Site, agent: str, engine: Engine) -> None:
        self._site, self._agent, self._engine = site, agent, engine
        self._waiting: dict[str, list[EngineJob]] = {}
        self._changes: list[Change] = []
        """On their way. Made again as they are where no answer came: each says of which attempt it is, so the store may have them."""

    def add(self, jobs: Iterable[EngineJob]) -> None:
        for job in jobs:
            self._waiting.setdefault(job.id, []).append(job)

    def tell(self) -> None:
        """Tell all. Raises StoreError."""
        while self._changes or self._waiting:
            if not self._changes:
                self._changes = self._next()
            jobs_service.apply_all(self._site, self._agent, self._changes)
            self._changes = []

    def _next(self) -> list[Change]:
        ids = list(islice(self._waiting, CHUNK))
        now_ms = int(self._site.clock() * 1000)
        changes = list[Change]()
        for id, record in zip(ids, known_of(self._site, self._agent, ids), strict=True):
            aimed = (self._agent, our_id(id), self._engine, id)
            changes += mirror_changes.changes(aimed, record, self._waiting.pop(id), now_ms)
        return changes


def gone(site: Site, agent: str, ids: Iterable[str]) -> None:
    """The engine knows these no more: those that have not ended are `deleted`. Raises StoreError."""
    ended_ms = int(site.clock() * 1000)
    changes = [
        Change("update", a=agent, i=our_id(id), s="failed", x="deleted", fa=ended_ms, m=mirror_changes.ENDS["deleted"])
        for id in ids
    ]
    jobs_service.apply_all(site, agent, changes)


def held(site: Site, agent: str, queue: str, state: State, after: int = 0, limit: int = CHUNK) -> list[tuple[int, str]]:
    """What Headway holds as being in this state, to compare it with the engine: numbers above `after` and the engine's ids, in the
    order of their numbers. Raises StoreError."""
    partition = site.store.partition_of(agent)
    index = keys.QUEUE_STATE.at(partition, state, f"{agent}/{name_of(queue)}")
    numbers: list[Any] = site.store.raw.zrangebyscore(index, f"({after}", "+inf", start=0, num=limit)
    if not numbers:
        return []
    records = site.store.raw.mget([keys.JOB.at(partition, int(number)) for number in numbers])
    found = ((int(number), known(record)) for number, record in zip(numbers, records, strict=True))
    return [(number, one.engineId or one.id) for number, one in found if one is not None]
