"""The archive's tables, as plain rows that any database of Headway's takes back."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO, Any

import msgspec
from sqlalchemy import Column, Connection, Table, insert, select, text

from core import migrations
from core.database import Database
from services import archive_schema, backup_records
from services.archive_schema import ARCHIVE, JOBS
from services.backup_file import ArchivePart, FileRefused, Writer, archive_part

ROWS_AT_ONCE = 2000
LONGEST_S = 24 * 3600.0


def copy(database: Database, writer: Writer) -> ArchivePart | None:
    """Every row, of one moment; None where there are no tables yet. Raises DatabaseError, OSError."""
    if database.kind == "sqlite" and not database.path.exists():
        return None
    with database.read(LONGEST_S) as connection:
        revision = migrations.current(connection)
        if revision is None:
            return None
        counts = {}
        for table in _tables():
            counted = _Counted(_rows(connection, table))
            with writer.part(archive_part(table.name)) as file:
                backup_records.write(file, counted)
            counts[str(table.name)] = counted.rows
    columns = {str(table.name): [str(column.name) for column in _columns(table)] for table in _tables()}
    return ArchivePart(database.name, revision, counts, columns)


def check(part: ArchivePart) -> None:
    """Raises FileRefused where this version has no place for what was copied."""
    known = {table.name: {column.name for column in _columns(table)} for table in _tables()}
    for table, columns in part.columns.items():
        if table not in known or not set(columns) <= known[table]:
            raise FileRefused(
                f"its archive is of a newer Headway (revision {part.revision}; this one knows {migrations.head()}): "
                "restore it with that version or a newer one"
            )


def holds_jobs(database: Database) -> bool:
    """Whether anything was archived. Raises DatabaseError."""
    if database.kind == "sqlite" and not database.path.exists():
        return False
    with database.read() as connection:
        if migrations.current(connection) is None:
            return False
        return connection.execute(select(JOBS.c.key).limit(1)).first() is not None


def clear(connection: Connection) -> None:
    """Remove all rows. The archive is another one from then on, and says so."""
    for table in reversed(_tables()):
        if (
            connection.dialect.name == "postgresql"
        ):  # as quick for millions as for none, and undone with the transaction
            connection.execute(text(f'TRUNCATE TABLE "{table.name}"'))
        else:
            connection.execute(table.delete())
    connection.execute(insert(ARCHIVE).values(site=str(uuid.uuid4()), jobs=0))


def fill(connection: Connection, table: Table, columns: list[str], file: IO[bytes]) -> None:
    """Put what was copied of a table in place of what it has. Raises sqlalchemy's errors, ValueError."""
    connection.execute(table.delete())
    rows = backup_records.read(file, list)
    while some := [dict(zip(columns, row, strict=True)) for row in islice(rows, ROWS_AT_ONCE)]:
        if connection.dialect.name == "postgresql":
            _into_postgresql(connection, table, columns, some)
        else:
            connection.execute(insert(table), some)


def _into_postgresql(connection: Connection, table: Table, columns: list[str], rows: list[dict[str, Any]]) -> None:
    # One JSON text takes a fraction of the time of as many parameters as there are values.
    names = ", ".join(f'"{name}"' for name in columns)
    types = ", ".join(f'"{name}" {table.c[name].type.compile(connection.dialect)}' for name in columns)
    connection.exec_driver_sql(
        f'INSERT INTO "{table.name}" ({names}) SELECT {names} FROM json_to_recordset(%s::json) AS told ({types})',  # noqa: S608
        (msgspec.json.encode(rows).decode(),),
    )


def tables(part: ArchivePart) -> Iterator[tuple[Table, list[str], str]]:
    """Each table that was copied, its columns, and the name of its part in the file."""
    for table in _tables():
        if table.name in part.columns:
            yield table, part.columns[table.name], archive_part(table.name)


def _rows(connection: Connection, table: Table) -> Iterator[tuple[Any, ...]]:
    """By primary key, a page at a time: no database has to hold a result of millions."""
    (key,) = table.primary_key.columns
    last: Any = None
    while True:
        page = select(key, *_columns(table)).order_by(key).limit(ROWS_AT_ONCE)
        found = connection.execute(page if last is None else page.where(key > last)).all()
        for row in found:
            yield tuple(row[1:])
        if len(found) < ROWS_AT_ONCE:
            return
        last = found[-1][0]


def _tables() -> list[Table]:
    return list(archive_schema.METADATA.sorted_tables)


def _columns(table: Table) -> list[Column[Any]]:
    """All but a key that the database itself counts: rows get new ones, in the same order."""
    counted = table.autoincrement_column
    return [column for column in table.columns if column is not counted]


class _Counted:
    def __init__(self, rows: Iterable[Any]) -> None:
        self._all = rows
        self.rows = 0

    def __iter__(self) -> Iterator[Any]:
        for row in self._all:
            self.rows += 1
            yield row
