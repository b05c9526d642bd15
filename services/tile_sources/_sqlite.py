"""What one statement answers in a file of SQLite, which itself sees to it that it only reads."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from services.tile_sources.reading import SourceError, too_long
from services.web import quoted

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


def first_row(path: str, query: str, timeout_s: float) -> Any:
    """None where there is none. Natively blocking: not on gevent's loop. Raises SourceError."""
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
        raise SourceError(_words(fault, path, timeout_s)) from fault


def _words(fault: Exception, path: str, timeout_s: float) -> str:
    name = getattr(fault, "sqlite_errorname", "")
    if name == "SQLITE_INTERRUPT":
        return too_long(timeout_s)
    if name.startswith("SQLITE_CANTOPEN"):
        return f"the file {path} can't be opened"
    if name == "SQLITE_AUTH" or name.startswith("SQLITE_READONLY"):
        return "the statement should only read: one SELECT"
    return f"SQLite says: {quoted(str(fault))}"
