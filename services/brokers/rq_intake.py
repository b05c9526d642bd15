"""Jobs of RQ on their way into the mirror: read, put in order, taken; and what became of those that RQ forgot."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

import redis

from core.site import Site
from core.store import StoreError
from services.brokers import mirror, rq_attempts, rq_gone
from services.brokers.connections import asking
from services.brokers.mirror_records import known_of
from services.brokers.model import EngineJob
from services.brokers.rq_changes import Changed
from services.brokers.rq_glimpses import Glimpses
from services.brokers.rq_jobs import READ, Reader, ReadJob
from services.brokers.rq_keys import text
from services.brokers.rq_schedules import Schedules
from services.job_rules import FINAL

AT_ONCE = 1_000
"""Jobs that are put in order and taken together."""
LETS_GO_S = 1.0
"""So long a worker may be at a job that is gone before that counts as deleted: it notes a moment late that it has ended."""
REMEMBERED = 2
"""Takes for which it is remembered what was at work: what is told of one job may come in two parts."""


class Intake:
    """The jobs of one follower."""

    def __init__(self, client: redis.Redis, site: Site, agent: str, reader: Reader, schedules: Schedules) -> None:
        self._redis = client
        self._site = site
        self._agent = agent
        self._reader = reader
        self._schedules = schedules
        self._pending: dict[bytes, float] = {}
        """To be read; when it was gone first, as of `time.monotonic`, or 0."""
        self._glimpses = Glimpses(client)
        self._unsettled: dict[bytes, float] = {}
        """Pending jobs that RQ was in the midst of noting, each with when that was seen first, as of `time.monotonic`."""
        self._taken = 0
        self._executed: dict[bytes, int] = {}
        """Jobs that were at work, each with the take that told so last; for as long as they are pending, too."""
        self._queues: deque[set[str]] = deque(maxlen=REMEMBERED + 1)
        """Those that changed, by take."""
        self.is_behind = False
        """Whether its time was over before all was read."""

    @property
    def has_more(self) -> bool:
        return bool(self._pending)

    def note(self, changed: Changed) -> None:
        """These are to be read."""
        self._taken += 1
        self._executed |= dict.fromkeys(changed.executed, self._taken)
        oldest = self._taken - REMEMBERED
        self._executed = {id: at for id, at in self._executed.items() if at > oldest or id in self._pending}
        self._unsettled = {id: at for id, at in self._unsettled.items() if id in self._pending}
        self._queues.append(set(changed.queues))
        for job in changed.jobs:
            self._pending.setdefault(job, 0.0)

    def go_on(self, until: float) -> None:
        """Read what is pending until that moment of `time.monotonic`. What was gone is looked for once more at the next call. Raises
        BrokerError, StoreError."""
        ids = self._glimpses.in_order(self._pending)
        pending, self._pending, self.is_behind = self._pending, {}, True
        for at in range(0, len(ids), AT_ONCE):
            if time.monotonic() > until:
                self._pending |= {id: pending[id] for id in ids[at:]}
                return
            part = ids[at : at + AT_ONCE]
            try:
                self._take(part, {id: pending[id] for id in part if pending[id]})
            except StoreError:
                self._pending |= {id: pending[id] for id in ids[at:]}
                raise
        self.is_behind = False

    def take(self, ids: Sequence[bytes]) -> None:
        """Read these now. Raises BrokerError, StoreError."""
        self._take(ids, {})

    def _take(self, ids: Sequence[bytes], missed: Mapping[bytes, float]) -> None:
        found, gone = list[ReadJob](), list[bytes]()
        for at in range(0, len(ids), READ):
            read, lost = self._reader.read(ids[at : at + READ])
            found += [one for one in read if self._is_settled(one)]
            gone += lost
        found.sort(key=lambda one: one.job.created_ms or 0)  # numbers are given in this order
        mirror.take(self._site, self._agent, "rq", list(self._told(found)))
        self._schedules.note([one.job for one in found])
        if gone:
            self._forgotten(gone, missed)

    def _is_settled(self, one: ReadJob) -> bool:
        """Whether to take it now: else it is looked at again at the next call, for a while."""
        id, now = one.job.id.encode(), time.monotonic()
        if one.is_settled or now - self._unsettled.setdefault(id, now) > LETS_GO_S:
            return True
        self._pending[id] = 0.0
        return False

    def _told(self, found: list[ReadJob]) -> Iterator[EngineJob]:
        records = known_of(self._site, self._agent, [one.job.id for one in found])
        for one, record in zip(found, records, strict=True):
            yield from rq_attempts.told(one, record)

    def _forgotten(self, gone: list[bytes], missed: Mapping[bytes, float]) -> None:
        """RQ knows nothing of these: what did not come to its end is looked for once more, since that may be told next."""
        ended, unknown = list[EngineJob](), list[bytes]()
        ended_ms, now = int(self._site.clock() * 1000), time.monotonic()
        records = known_of(self._site, self._agent, [text(id) for id in gone])
        at_work = [(id, one.worker) for id, one in zip(gone, records, strict=True) if one and one.worker]
        held = rq_gone.held(self._redis, at_work)
        for id, record in zip(gone, records, strict=True):
            was_at_work = id in self._executed
            if record is not None and record.status in FINAL:
                if record.state is not None and record.is_ended_elsewhere:
                    ended.append(EngineJob(id=text(id), state="deleted"))
                continue
            if record is not None and rq_gone.has_ended(record, was_at_work, held.get(id)):
                ended.append(EngineJob(id=text(id), state="finished", ended_ms=ended_ms, message=rq_gone.FORGOTTEN))
            elif id not in missed or (held.get(id) and now - missed[id] < LETS_GO_S):
                self._pending[id] = missed.get(id, now)  # that it was at work, or where, may be told next
            elif record is not None:
                message = rq_gone.why_deleted(record)
                ended.append(EngineJob(id=text(id), state="deleted", ended_ms=ended_ms, message=message))
            elif was_at_work:
                unknown.append(id)
        if unknown and self._has_one_database():
            ended += [
                EngineJob(
                    id=text(id),
                    state="finished",
                    queue=self._queue_of(id),
                    ended_ms=ended_ms,
                    message=rq_gone.FORGOTTEN,
                )
                for id in unknown
            ]
        mirror.take(self._site, self._agent, "rq", ended)
        self._schedules.forget([job.id for job in ended])

    def _queue_of(self, id: bytes) -> str | None:
        """Where a job belonged that is gone: as was seen, or the only one that changed around its being at work."""
        queues = set[str]().union(*self._queues)
        is_just_told = self._executed.get(id, 0) > self._taken - REMEMBERED
        return self._glimpses.queue_of(id) or (queues.pop() if len(queues) == 1 and is_just_told else None)

    def _has_one_database(self) -> bool:
        """Tracking tells of the keys of all databases: where there are several, an unknown job may be another's."""
        with asking():
            try:
                return len(self._redis.info("keyspace")) <= 1
            except redis.ResponseError:  # who may not ask can't tell
                return False
