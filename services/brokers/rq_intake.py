"""Jobs of RQ on their way into the mirror: read, put in order, taken; and what became of those that RQ forgot."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec
import redis

from core.site import Site
from core.store import StoreError
from services.brokers import mirror, rq_attempts
from services.brokers.connections import asking
from services.brokers.mirror_records import Known
from services.brokers.model import EngineJob
from services.brokers.rq_changes import Changed
from services.brokers.rq_compare import known_of
from services.brokers.rq_jobs import Reader, ReadJob
from services.brokers.rq_keys import text
from services.brokers.rq_schedules import Schedules
from services.job_rules import FINAL

AT_ONCE = 1_000
"""Jobs that are put in order and taken together."""
READ = 200
"""Jobs a round trip."""
FORGOTTEN = "RQ kept nothing of it (result_ttl 0)"


class Intake:
    """The jobs of one follower."""

    def __init__(self, client: redis.Redis, site: Site, agent: str, reader: Reader, schedules: Schedules) -> None:
        self._redis = client
        self._site = site
        self._agent = agent
        self._reader = reader
        self._schedules = schedules
        self._pending: dict[bytes, bool] = {}
        """To be read; True where it was gone when it was looked for last."""
        self._executed: set[bytes] = set()
        self._executed_before: set[bytes] = set()

    @property
    def is_behind(self) -> bool:
        return bool(self._pending)

    def note(self, changed: Changed) -> None:
        """These are to be read. What is told of one job may come in two parts, so executions are remembered from the time before."""
        self._executed_before, self._executed = self._executed, changed.executed
        for job in changed.jobs:
            self._pending.setdefault(job, False)

    def go_on(self, until: float) -> None:
        """Read what is pending until that moment of `time.monotonic`. What was gone is looked for once more at the next call. Raises
        BrokerError, StoreError."""
        pending, self._pending = self._pending, {}
        ids = list(pending)
        for at in range(0, len(ids), AT_ONCE):
            if time.monotonic() > until:
                self._pending |= {id: pending[id] for id in ids[at:]}
                return
            part = ids[at : at + AT_ONCE]
            try:
                self._take(part, {id for id in part if pending[id]})
            except StoreError:
                self._pending |= {id: pending[id] for id in ids[at:]}
                raise

    def take(self, ids: Sequence[bytes]) -> None:
        """Read these now. Raises BrokerError, StoreError."""
        self._take(ids, ())

    def _take(self, ids: Sequence[bytes], missed: Collection[bytes]) -> None:
        found, gone = list[ReadJob](), list[bytes]()
        for at in range(0, len(ids), READ):
            read, lost = self._reader.read(ids[at : at + READ])
            found += read
            gone += lost
        found.sort(key=lambda one: one.job.created_ms or 0)  # numbers are given in this order
        mirror.take(self._site, self._agent, "rq", list(self._told(found)))
        self._schedules.note([one.job for one in found])
        if gone:
            self._forgotten(gone, missed)

    def _told(self, found: list[ReadJob]) -> Iterator[EngineJob]:
        records = known_of(self._site, self._agent, [one.job.id for one in found])
        for one, record in zip(found, records, strict=True):
            yield from rq_attempts.told(one, record)

    def _forgotten(self, gone: list[bytes], missed: Collection[bytes]) -> None:
        """RQ deletes at once what ended well and has a result_ttl of 0: so does what was at work go, unless it was to be kept."""
        done, deleted = list[bytes](), list[bytes]()
        unknown = list[bytes]()
        for id, record in zip(gone, known_of(self._site, self._agent, [text(id) for id in gone]), strict=True):
            was_at_work = id in self._executed or id in self._executed_before
            if record is None:
                unknown += [id] if was_at_work else []
            elif record.status in FINAL:
                continue
            elif (was_at_work or record.status == "processing") and not _is_kept(record):
                done.append(id)
            elif id in missed:
                deleted.append(id)
            else:
                self._pending[id] = True  # that it was at work may be told next
        if unknown and self._has_one_database():
            done += unknown
        ended_ms = int(self._site.clock() * 1000)
        jobs = [EngineJob(id=text(id), state="finished", ended_ms=ended_ms, message=FORGOTTEN) for id in done]
        mirror.take(self._site, self._agent, "rq", jobs)
        mirror.gone(self._site, self._agent, [text(id) for id in deleted])
        self._schedules.forget([text(id) for id in (*done, *deleted)])

    def _has_one_database(self) -> bool:
        """Tracking tells of the keys of all databases: where there are several, an unknown job may be another's."""
        with asking():
            try:
                return len(self._redis.info("keyspace")) <= 1
            except redis.ResponseError:  # who may not ask can't tell
                return False


def _is_kept(record: Known) -> bool:
    """Whether RQ is to remember the job when it has ended well."""
    try:
        ttl_s: Any = msgspec.json.decode(record.metadata or "{}").get("result_ttl_s")
    except (msgspec.DecodeError, AttributeError):
        return False
    return bool(ttl_s)
