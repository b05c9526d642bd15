"""The number that one statement answers, in PostgreSQL or SQLite. The database itself sees to it that it only reads."""

from __future__ import annotations

import math
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from core import native
from core.config.sources import Sql
from core.outgoing.cutting import cut_after
from services.tile_sources.reading import Context, SourceError, number
from services.web import quoted

SQLITE = "sqlite:///"
BEYOND_READING = frozenset(
    (
        sqlite3.SQLITE_ATTACH,
        sqlite3.SQLITE_DETACH,
        sqlite3.SQLITE_PRAGMA,
        sqlite3.SQLITE_TRANSACTION,
        sqlite3.SQLITE_SAVEPOINT,
    )
)
"""What a file that is opened for reading does not refuse by itself."""
LONGEST_VALUE = 10_000_000
"""Bytes that a value may have while SQLite reckons."""
STEPS = 10_000
"""Of SQLite's machine, between two looks at the clock: some tenths of a millisecond."""


def read(source: Sql, context: Context) -> int | float | None:
    """The first column of the first row; None where that is NULL. Raises SourceError."""
    url = source.url or context.site.settings.database_url or ""
    if url.startswith(SQLITE):
        row = native.run(_ask_sqlite, unquote(url.removeprefix(SQLITE)), source.query, context.timeout_s)
    else:
        row = _ask_postgresql(url, source.query, context.timeout_s)
    if row is None:
        raise SourceError("the statement answers no row")
    return None if row[0] is None else number(_plain(row[0]), "what the statement answers")


def _plain(value: object) -> object:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return float(value) if isinstance(value, Decimal) else value


def _ask_postgresql(url: str, query: str, timeout_s: float) -> Any:
    until = time.monotonic() + timeout_s
    try:
        host = conninfo_to_dict(url).get("host") or "this machine"
        connection = psycopg.connect(url, connect_timeout=math.ceil(timeout_s), application_name="headway")
    except psycopg.ProgrammingError as fault:
        raise SourceError(
            "the database's address can't be read: a password's special letters are written %40"
        ) from fault
    except psycopg.Error as fault:
        said = quoted(str(fault).partition("FATAL:")[2])
        raise SourceError(
            f"PostgreSQL at {host} says: {said}" if said else f"PostgreSQL at {host} can't be reached"
        ) from fault
    with closing(connection), cut_after(connection.fileno(), until - time.monotonic()) as cut:
        try:
            connection.read_only = True
            connection.execute("SELECT set_config('statement_timeout', %s, true)", [f"{timeout_s * 1000:.0f}ms"])
            # DECLARE takes a statement that reads, and one alone; its first row is all that is fetched.
            with connection.cursor(name="tile") as cursor:
                cursor.execute(query.encode())
                return cursor.fetchone()
        except psycopg.Error as fault:
            late = cut.made or isinstance(fault, errors.QueryCanceled)
            raise SourceError(_too_long(timeout_s) if late else _postgresql_words(fault)) from fault


def _postgresql_words(fault: psycopg.Error) -> str:
    said = quoted(fault.diag.message_primary or "")
    if isinstance(fault, errors.SyntaxError):
        return f"PostgreSQL says: {said}; it takes one SELECT here"
    return f"PostgreSQL says: {said}" if said else "the connection to PostgreSQL broke off"


def _ask_sqlite(path: str, query: str, timeout_s: float) -> Any:
    """Natively blocking: not on gevent's loop."""
    until = time.monotonic() + timeout_s
    if not Path(path).is_file():
        raise SourceError(f"there is no file {path}")
    try:
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=timeout_s)) as connection:
            connection.execute("PRAGMA query_only = ON")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
            connection.set_progress_handler(lambda: time.monotonic() > until, STEPS)
            connection.set_authorizer(
                lambda action, *_: sqlite3.SQLITE_DENY if action in BEYOND_READING else sqlite3.SQLITE_OK
            )
            return connection.execute(query).fetchone()
    except (sqlite3.Error, sqlite3.Warning) as fault:
        raise SourceError(_sqlite_words(fault, path, timeout_s)) from fault


def _sqlite_words(fault: Exception, path: str, timeout_s: float) -> str:
    name = getattr(fault, "sqlite_errorname", "")
    if name == "SQLITE_INTERRUPT":
        return _too_long(timeout_s)
    if name.startswith("SQLITE_CANTOPEN"):
        return f"the file {path} can't be opened"
    if name == "SQLITE_AUTH" or name.startswith("SQLITE_READONLY"):
        return "the statement should only read: one SELECT"
    return f"SQLite says: {quoted(str(fault))}"


def _too_long(timeout_s: float) -> str:
    return f"the statement took longer than {timeout_s:g} s"
