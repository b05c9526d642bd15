"""Finished jobs move into the SQL database: at least once, each once there, whatever breaks down meanwhile.

The stream of events says what ended, through a consumer group. Where events are lost, or the archive is another one than before,
all finished jobs are compared with it instead. The store keeps how far both are, so any process goes on where another ended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy
from redis.exceptions import ResponseError

from core import keys, migrations
from core.database import DatabaseError
from core.metrics import ARCHIVE_FAILURES, ARCHIVE_JOBS, ARCHIVE_MISSED
from core.site import Site
from core.store import StoreError
from services import archive_alone, archive_standing, archive_writer, job_numbers
from services.archive_records import Row, of_record
from services.archive_schema import ARCHIVE, lacking, whole_name
from services.archive_standing import Standing, standing
from services.archive_writer import Mark
from services.job_model import DamagedJob

__all__ = ["EVERY_S", "LONGEST_PAUSE_S", "Archiver", "Standing", "marks_of", "secure", "standing"]

log = logging.getLogger("headway.archive")

EVERY_S = 1.0
LONGEST_PAUSE_S = 5.0
"""After failures: so soon it goes on once the database is back."""
RUN_S = 10.0
"""How long one run goes on while there is more to do."""
ENTRIES = 500
"""Events a step: read, made rows of and written without holding up anybody for long."""
BYTES = 1024 * 1024
"""About how much of records a step."""
COMPARED = 500
"""Finished jobs a step of a comparison."""
STEPS = 10
READ_AT_ONCE = 200


class Archiver:
    """What one process knows between the runs of its duty: which archive this is, once its tables are there."""

    def __init__(self) -> None:
        self._of: str | None = None
        self._lacking: str | None = None
        """What it is called in the database, while rows there lack what the store may know."""
        self._file: tuple[int, int] | None = None

    def run(self, site: Site) -> None:
        """Archive what ended, and compare what has to be. Raises DatabaseError, redis.RedisError."""
        until = time.monotonic() + RUN_S
        try:
            if self._of is not None and self._file != site.database.file:
                log.warning("The archive's file %s was removed or replaced: it begins anew", site.database.path)
                self._of = None
            if self._of is None:
                if not site.database.is_begun:
                    stands = standing(site)
                    if not (stands.archived or stands.behind):
                        return  # Nothing ended yet: no file is made for that.
                name = _begin(site)
                self._of, self._lacking = whole_name(name), name if lacking(name) else None
                self._file = site.database.file
                archive_standing.tell(site)
            did, goes_on = False, True
            while goes_on and time.monotonic() < until:
                moved, goes_on = _work(site, self._of)
                did |= moved
            if self._lacking is not None and _is_compared(site, self._of):
                archive_writer.complete(site.database, self._lacking)
                self._lacking = None
            if did and archive_standing.tell(site) != self._of:
                self._of = None  # Its tables were brought up to date meanwhile, and it has to be compared.
        except (DatabaseError, StoreError) as fault:
            self._of = None  # It may be another one that answers next.
            ARCHIVE_FAILURES.inc()
            archive_standing.tell(site, str(fault) if isinstance(fault, DatabaseError) else None)
            raise


def secure(site: Site, partition: int, marks: Mapping[int, Mark]) -> None:
    """See to it that the archive has these states of finished jobs, by number. Raises DatabaseError, redis.RedisError."""
    held = archive_writer.held(site.database, marks, whole=True)
    _archive(
        site,
        partition,
        _records(site, partition, [number for number, mark in marks.items() if (number, *mark) not in held]),
    )


def _begin(site: Site) -> str:
    """The archive's name, once its tables are as this version knows them."""
    migrations.settle(site.database)
    _meet(site)
    with site.database.read(archiving=True) as connection:
        of = connection.execute(sqlalchemy.select(ARCHIVE.c.site)).scalar()
    if of is None:
        raise DatabaseError("its table archive lost its row: insert one, with a site of your choice and jobs 0")
    return str(of)


def _meet(site: Site) -> None:
    """A store that may be another one than before: emptied, it counts anew, though a number should mean one job only, and lacks what
    only the archive has then."""
    archive_alone.note(site)
    highest = job_numbers.archived(site)
    if site.store.scripts.run("number", 0, {"above": highest // site.store.partitions}):
        log.warning("The store is new or was emptied: numbers of jobs go on above %d, the archive's highest", highest)


def _work(site: Site, of: str) -> tuple[bool, bool]:
    """Some steps in each partition; whether there was something to do, and whether there is more."""
    did = goes_on = False
    for partition in range(site.store.partitions):
        moved, has_more, is_due = _take(site, partition, of)
        did |= moved or is_due
        goes_on |= has_more or (is_due and _compare(site, partition, of))
    return did, goes_on


def _take(site: Site, partition: int, of: str) -> tuple[bool, bool, bool]:
    """Archive what the stream hands out; whether that was any, whether it has more, and whether a comparison is due."""
    call = {"of": of, "most": ENTRIES, "bytes": BYTES}
    began, is_due, has_more, ids, flat = site.store.scripts.run("archive", partition, call)
    if began:
        _meet(site)
    _archive(site, partition, zip(flat[::2], flat[1::2], strict=True))
    if ids:
        site.store.raw.xack(keys.EVENTS.at(partition), "archive", *ids)
    return bool(ids), has_more == 1, is_due == 1


def _compare(site: Site, partition: int, of: str) -> bool:
    """Some steps of a comparison; whether it goes on. A step counts only once its jobs are archived."""
    call = {"of": of, "most": COMPARED}
    step = site.store.scripts.run("sweep", partition, call)
    for _ in range(STEPS):
        if not step:
            return False
        was, done, flat = step
        secure(site, partition, marks_of(flat))
        step = site.store.scripts.run("sweep", partition, call | {"was": was.decode(), "done": done.decode()})
    return True


def _is_compared(site: Site, of: str) -> bool:
    """Whether every partition's comparison with this archive is through."""
    stand = (site.store.redis.hmget(keys.ARCHIVE.at(each), ["of", "sweep"]) for each in range(site.store.partitions))
    return all(one == [of, None] for one in stand)


def marks_of(flat: Sequence[int]) -> dict[int, Mark]:
    """What the scripts tell of finished jobs: {number, attempt, updated, …}."""
    return {number: (attempt, updated) for number, attempt, updated in zip(*[iter(flat)] * 3, strict=True)}


def _records(site: Site, partition: int, numbers: Sequence[int]) -> Iterator[tuple[int, bytes | None]]:
    for start in range(0, len(numbers), READ_AT_ONCE):
        some = numbers[start : start + READ_AT_ONCE]
        with site.store.raw.pipeline(transaction=False) as pipeline:
            for number in some:
                pipeline.get(keys.JOB.at(partition, number))
            records = pipeline.execute(raise_on_error=False)
        for number, record in zip(some, records, strict=True):
            if isinstance(record, StoreError) and not isinstance(record, ResponseError):
                raise record
            yield number, record if isinstance(record, bytes) else None


def _archive(site: Site, partition: int, records: Iterable[tuple[int, bytes | None]]) -> None:
    """Write the jobs of these records that ended; those that go on in a new attempt will end again."""
    rows, gone = list[Row](), list[int]()
    for number, record in records:
        row = None if record is None else of_record(number, record)
        if isinstance(row, Row):
            rows.append(row)
        elif isinstance(row, DamagedJob):
            ARCHIVE_JOBS.labels(outcome="damaged").inc()
            log.warning("Job %d can't be archived: its record in the store is damaged", number)
        elif record is None:
            gone.append(number)
    if rows:
        archive_writer.write(site.database, rows, int(site.clock() * 1000))
    if gone:
        held = {number for number, *_ in archive_writer.held(site.database, gone)}
        missed = [str(number) for number in set(gone) - held]
        # Those that were retired were counted then, if they were to be: here are those whose records were lost.
        ends: list[Any] = site.store.raw.zmscore(keys.FINISHED.at(partition), missed) if missed else []
        ARCHIVE_MISSED.inc(sum(end is not None for end in ends))
