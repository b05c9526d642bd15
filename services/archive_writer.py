"""Writes rows into the archive: each once, and never an older state over a newer one."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy
from msgspec import Struct
from sqlalchemy import Connection

from core.database import Database, DatabaseError
from core.metrics import ARCHIVE_JOBS
from services.archive_records import Row
from services.archive_schema import ARCHIVE, JOBS, lacking, whole_name

log = logging.getLogger("headway.archive")

NAMES = Row.__struct_fields__
ONE = ("number", "agent", "id")
_LIST = ", ".join(NAMES)
_CHANGES = ", ".join(f"{name} = excluded.{name}" for name in NAMES if name not in ONE)
# What was archived at least once may come again; only what is as new or newer takes its place.
_UNLESS_OLDER = (
    f"ON CONFLICT ({', '.join(ONE)}) DO UPDATE SET {_CHANGES} "
    "WHERE (jobs.attempt, jobs.updated_ms) <= (excluded.attempt, excluded.updated_ms)"
)

# One parameter for all: as many as there are numbers take most of the time.
_HELD = {
    "postgresql": "SELECT number, attempt, updated_ms FROM jobs WHERE number = ANY(%s) AND key > %s",
    "sqlite": "SELECT number, attempt, updated_ms FROM jobs WHERE number IN (SELECT value FROM json_each(?)) AND key > ?",
}

# Likewise; `||` keeps both databases to the index on ids.
_ENDED = {
    "postgresql": "SELECT agent, id, finished_ms, attempt, number FROM jobs WHERE id = ANY(%s) AND agent || '' = ANY(%s)",
    "sqlite": "SELECT agent, id, finished_ms, attempt, number FROM jobs WHERE id IN (SELECT value FROM json_each(?)) "
    "AND agent || '' IN (SELECT value FROM json_each(?))",
}


class _Attempt(Struct):
    finished: int | None = None


_json = msgspec.json.Encoder().encode
_attempts = msgspec.json.Decoder(list[_Attempt]).decode


@dataclass(frozen=True)
class Written:
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    """The archive had these, or something newer."""
    refused: int = 0


def write(database: Database, rows: Sequence[Row], now_ms: int) -> Written:
    """Write rows of different jobs. What the database can't take is left out and said in the log. Raises DatabaseError."""
    written = _halving(database, rows, now_ms)
    for outcome, count in vars(written).items():
        if count:
            ARCHIVE_JOBS.labels(outcome=outcome).inc(count)
    return written


Mark = tuple[int, int]
"""Which state of a job: its attempt, and when it was updated in ms."""


def held(database: Database, numbers: Iterable[int], *, whole: bool = False) -> set[tuple[int, int, int]]:
    """(number, attempt, updated) of what the archive has under these numbers, of any agent; `whole`: without rows that lack what the
    store may know. Raises DatabaseError."""
    some = list(numbers)
    with database.read(archiving=True) as connection:
        above = lacking(connection.execute(sqlalchemy.select(ARCHIVE.c.site)).scalar() or "") if whole else 0
        found = connection.exec_driver_sql(
            _HELD[database.kind], (some if database.kind == "postgresql" else str(some), above)
        )
        return {(row[0], row[1], row[2]) for row in found}


def complete(database: Database, site: str) -> None:
    """Call an archive of this name one that lacks nothing. Raises DatabaseError."""
    with database.write() as connection:
        connection.execute(ARCHIVE.update().where(ARCHIVE.c.site == site).values(site=whole_name(site)))


def _halving(database: Database, rows: Sequence[Row], now_ms: int) -> Written:
    if not rows:
        return Written()
    try:
        return _insert(database, rows, now_ms)
    except (DatabaseError, OverflowError, UnicodeError) as fault:
        if isinstance(fault, DatabaseError) and not fault.refused:
            raise
        if len(rows) == 1:
            log.warning("Job %d of %r can't be archived: %s", rows[0].number, rows[0].agent, fault)
            return Written(refused=1)
    middle = len(rows) // 2
    halves = [_halving(database, half, now_ms) for half in (rows[:middle], rows[middle:])]
    return Written(*(sum(each) for each in zip(*(vars(half).values() for half in halves), strict=True)))


def _insert(database: Database, rows: Sequence[Row], now_ms: int) -> Written:
    insert = _into_postgresql if database.kind == "postgresql" else _into_sqlite
    with database.write() as connection:
        known = _as_known(connection, rows)
        # In one order everywhere, so that two that write the same jobs wait for each other and not in a circle.
        added, touched = insert(connection, sorted(known, key=lambda row: (row.number, row.agent, row.id)))
        counted = ARCHIVE.update().values(jobs=ARCHIVE.c.jobs + added, archived_ms=now_ms)
        if touched:
            connection.execute(counted)
    return Written(added, touched - added, len(rows) - touched)


def _as_known(connection: Connection, rows: Sequence[Row]) -> Iterator[Row]:
    """Each under the number by which the archive has its job: one that is told anew to an emptied store got another one there. What
    ended at the same time is the same job, and so is what an earlier attempt ended as; an id alone may be given again."""
    ended = {(row.agent, row.id, end): row for row in rows for end in _ends(row)}
    numbers: dict[tuple[int, str, str], set[int]] = {}
    for agent, id, end, attempt, number in _ended(connection, rows):
        row = ended.get((agent, id, end))
        if row is not None and (end == row.finished_ms or attempt < row.attempt):
            numbers.setdefault((row.number, agent, id), set()).add(number)
    for row in rows:
        known = numbers.get((row.number, row.agent, row.id))
        yield row if not known or row.number in known else msgspec.structs.replace(row, number=min(known))


def _ends(row: Row) -> Iterator[int]:
    yield row.finished_ms
    for attempt in _attempts(row.attempts):
        if attempt.finished is not None:
            yield attempt.finished


def _ended(connection: Connection, rows: Sequence[Row]) -> Iterable[Any]:
    ids, agents = ([*{row.id for row in rows}], [*{row.agent for row in rows}])
    if connection.dialect.name == "postgresql":  # it would read all of a table that it has not analyzed yet
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return connection.exec_driver_sql(_ENDED["postgresql"], (ids, agents))
    return connection.exec_driver_sql(_ENDED["sqlite"], (_json(ids).decode(), _json(agents).decode()))


def _into_postgresql(connection: Connection, rows: Sequence[Row]) -> tuple[int, int]:
    # One JSON text takes a fraction of the time, here and there, of as many parameters as there are fields.
    types = ", ".join(f"{name} {JOBS.c[name].type.compile(connection.dialect)}" for name in NAMES)
    found = connection.exec_driver_sql(
        f"INSERT INTO jobs ({_LIST}) SELECT {_LIST} FROM json_to_recordset(%s::json) AS told ({types}) {_UNLESS_OLDER} "  # noqa: S608
        "RETURNING xmax = 0",
        (_json(rows).decode(),),
    )
    is_new = [each for (each,) in found]
    return sum(is_new), len(is_new)


def _into_sqlite(connection: Connection, rows: Sequence[Row]) -> tuple[int, int]:
    last = connection.exec_driver_sql("SELECT coalesce(max(key), 0) FROM jobs").scalar_one()
    done = connection.exec_driver_sql(
        f"INSERT INTO jobs ({_LIST}) VALUES ({', '.join('?' * len(NAMES))}) {_UNLESS_OLDER}",  # noqa: S608
        [msgspec.structs.astuple(row) for row in rows],
    )
    added = connection.exec_driver_sql("SELECT count(*) FROM jobs WHERE key > ?", (last,)).scalar_one()
    return added, done.rowcount
