"""A file of SQLite whose calls run in native threads, so that gevent's loop goes on while it works or waits for its lock."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from core import native

BUSY_S = 10.0
"""How long a writer waits for another one."""
CONNECTIONS = 8
"""At most so many at a time: each has a thread, so none waits for what another one is asked."""

P = ParamSpec("P")
T = TypeVar("T")

_threads = native.Threads(CONNECTIONS)


def _threaded(call: Callable[P, T]) -> Callable[P, T]:
    """A method of sqlite3's that may work or wait for long, in a native thread."""

    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return _threads.run(call, *args, **kwargs)

    return run


class Cursor(sqlite3.Cursor):
    execute = _threaded(sqlite3.Cursor.execute)
    executemany = _threaded(sqlite3.Cursor.executemany)
    executescript = _threaded(sqlite3.Cursor.executescript)
    fetchone = _threaded(sqlite3.Cursor.fetchone)
    fetchmany = _threaded(sqlite3.Cursor.fetchmany)
    fetchall = _threaded(sqlite3.Cursor.fetchall)

    def __next__(self) -> Any:
        return _threads.run(super().__next__)


class Connection(sqlite3.Connection):
    """One greenlet uses it at a time; each of its calls may be in another thread.

    None of sqlite3's own methods calls another one by its name: each that may wait is given here, or it waits in the loop.
    """

    file: tuple[int, int] | None = None
    """Which file it has open."""

    commit = _threaded(sqlite3.Connection.commit)
    rollback = _threaded(sqlite3.Connection.rollback)
    close = _threaded(sqlite3.Connection.close)
    backup = _threaded(sqlite3.Connection.backup)
    __exit__ = _threaded(sqlite3.Connection.__exit__)

    def cursor(self, *_: Any) -> Cursor:  # type: ignore[override]
        return super().cursor(Cursor)

    def execute(self, *args: Any) -> Cursor:
        return self.cursor().execute(*args)

    def executemany(self, *args: Any) -> Cursor:
        return self.cursor().executemany(*args)

    def executescript(self, script: str) -> sqlite3.Cursor:
        return self.cursor().executescript(script)

    def give_back(self, pages: int) -> None:
        """Make the file smaller by so many pages of those that are free. Ends the transaction."""
        # `execute` would take one step of it, and a page a step is what it does.
        self.executescript(f"PRAGMA incremental_vacuum({pages})").close()


def connect(path: Path) -> Connection:
    """A connection that leaves transactions to its caller. The folder is made where it is missing. Raises sqlite3.Error."""
    return _threads.run(_connect, path)


def _connect(path: Path) -> Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, factory=Connection
    )
    cursor = sqlite3.Cursor(connection)  # a plain one: this is in a thread already
    # The file can give room back, which has to be said before anything is in it; later it would wait for whoever writes.
    if cursor.execute("PRAGMA page_count").fetchone() == (0,):
        cursor.execute("PRAGMA auto_vacuum = INCREMENTAL")
    # Readers go on while somebody writes; what a power cut may take is the last transactions, whole. What is sorted goes to a
    # file where it is much.
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "temp_store = FILE"):
        cursor.execute(f"PRAGMA {pragma}")
    connection.file = identity(path)
    return connection


def identity(path: Path) -> tuple[int, int] | None:
    """The numbers of a file, by which it differs from any other that is there; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
