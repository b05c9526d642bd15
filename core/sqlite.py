"""A file of SQLite whose calls run in native threads, so that gevent's loop goes on while it works or waits for its lock."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from core import native

BUSY_S = 10.0
"""How long a writer waits for another one."""
CONNECTIONS = 8
"""At most so many at a time: each has a thread, so none waits for what another one is asked."""

_threads = native.Threads(CONNECTIONS)


class Cursor(sqlite3.Cursor):
    def execute(self, *args: Any) -> Cursor:
        _threads.run(super().execute, *args)
        return self

    def executemany(self, *args: Any) -> Cursor:
        _threads.run(super().executemany, *args)
        return self

    def fetchone(self) -> Any:
        return _threads.run(super().fetchone)

    def fetchmany(self, *args: Any, **kwargs: Any) -> list[Any]:
        return _threads.run(super().fetchmany, *args, **kwargs)

    def fetchall(self) -> list[Any]:
        return _threads.run(super().fetchall)


class Connection(sqlite3.Connection):
    """One greenlet uses it at a time; each of its calls may be in another thread."""

    file: tuple[int, int] | None = None
    """Which file it has open."""

    def cursor(self, *_: Any) -> Cursor:  # type: ignore[override]
        return super().cursor(Cursor)

    def give_back(self, pages: int) -> None:
        """Make the file smaller by so many pages of those that are free. Ends the transaction."""
        # `execute` would take one step of it, and a page a step is what it does.
        _threads.run(super().executescript, f"PRAGMA incremental_vacuum({pages})")

    def commit(self) -> None:
        _threads.run(super().commit)

    def rollback(self) -> None:
        _threads.run(super().rollback)

    def close(self) -> None:
        _threads.run(super().close)


def connect(path: Path) -> Connection:
    """A connection that leaves transactions to its caller. The folder is made where it is missing. Raises sqlite3.Error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, factory=Connection
    )
    # The file can give room back, which has to be said before anything is in it. Readers go on while somebody writes; what a
    # power cut may take is the last transactions, whole. What is sorted goes to a file where it is much.
    for pragma in ("auto_vacuum = INCREMENTAL", "journal_mode = WAL", "synchronous = NORMAL", "temp_store = FILE"):
        connection.execute(f"PRAGMA {pragma}")
    connection.file = identity(path)
    return connection


def identity(path: Path) -> tuple[int, int] | None:
    """The numbers of a file, by which it differs from any other that is there; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
