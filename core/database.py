"""The SQL database, which holds what has been: PostgreSQL at DATABASE_URL, or a file of SQLite under HEADWAY_DATA.

It may be away at any time, and nothing live needs it. Callers use `read` and `write`; what the database raises for reasons
of its own comes out of them as DatabaseError, in words that name no password.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import sqlalchemy
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core import sqlite
from core.settings import Settings
from core.sqlite import CONNECTIONS

READ_S = 5.0
"""How long a page's reading may take."""
WRITE_S = 60.0
CONNECT_S = 3
POOL_S = 2.0
READERS = CONNECTIONS - 2
"""So many of a process's connections are for what is read on request: the others are kept for what archives."""
LOOKS = 10_000
"""Steps of SQLite's machine between two looks at the clock: some tenths of a millisecond."""
FILE = "archive.sqlite3"
REFUSED = "22", "23", "54"
"""PostgreSQL's classes of errors about values: their form, what must hold of them, their size."""

_WRONG = re.compile(r"invalid (?:\w+ value|URI query parameter|percent-encoded token)|connection timeout expired")
"""What libpq says of an address before it shows a part of it."""
_ERRNO = re.compile(r"\[Errno -?\d+\] ")

Kind = Literal["postgresql", "sqlite"]


class DatabaseError(Exception):
    """Why the database does not serve, in words. `late`: it took too long. `refused`: it serves, but can't take what it was given.
    `bare`: it has no tables yet."""

    def __init__(self, words: str, *, late: bool = False, refused: bool = False, bare: bool = False) -> None:
        super().__init__(words)
        self.late = late
        self.refused = refused
        self.bare = bare


class Database:
    """One database, not connected to before it is used. Safe to use from many greenlets and threads."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.database_url
        self.path: Path = settings.data / FILE
        self.kind: Kind = "sqlite" if self._url is None else "postgresql"
        self._readers = threading.BoundedSemaphore(READERS)

    @property
    def name(self) -> str:
        """What it is called on pages: its kind, with no address in it."""
        return "SQLite" if self.kind == "sqlite" else "PostgreSQL"

    @property
    def is_begun(self) -> bool:
        """Whether there may be something in it, without asking it."""
        return self.kind == "postgresql" or self.path.exists()

    @property
    def file(self) -> tuple[int, int] | None:
        """Which file of SQLite's is there now: another one has other numbers. None where there is none."""
        return sqlite.identity(self.path) if self.kind == "sqlite" else None

    @property
    def environment(self) -> dict[str, str]:
        """What tells another process of Headway's which database this is; an empty value counts as unset."""
        return {"DATABASE_URL": self._url or "", "HEADWAY_DATA": str(self.path.parent)}

    @cached_property
    def engine(self) -> Engine:
        engine = self._sqlite() if self._url is None else self._postgresql(self._url)
        event.listen(engine, "begin", self._begin)
        return engine

    @contextmanager
    def read(self, timeout_s: float = READ_S, *, archiving: bool = False) -> Iterator[Connection]:
        """A transaction that sees one moment, for `timeout_s` in all. Raises DatabaseError.

        `archiving`: on a connection that no reader takes, as `write` has one.
        """
        if archiving:
            with self._transaction(timeout_s, {"writes": False}) as connection:
                yield connection
            return
        if not self._readers.acquire(timeout=POOL_S):
            raise DatabaseError(f"every connection to {self.name} is busy")
        try:
            with self._transaction(timeout_s, {"writes": False}) as connection:
                yield connection
        finally:
            self._readers.release()

    @contextmanager
    def write(self, timeout_s: float = WRITE_S) -> Iterator[Connection]:
        """A transaction that is there as a whole once the block is over, or not at all. Raises DatabaseError."""
        with self._transaction(timeout_s, {"writes": True}) as connection:
            yield connection

    def close(self) -> None:
        if "engine" in self.__dict__:
            self.engine.dispose()

    @contextmanager
    def _transaction(self, timeout_s: float, options: dict[str, Any]) -> Iterator[Connection]:
        limit: Any = None
        try:
            with (
                self.engine.connect().execution_options(**options, timeout_s=timeout_s) as connection,
                self._limit(connection, timeout_s) as limit,
                connection.begin(),
            ):
                yield connection
        except (DBAPIError, PoolTimeout, sqlite3.Error, OSError) as error:
            late = bool(limit and limit.made) or _is_late(error)
            words, bare = self._explain(error, late, timeout_s), _lacks_table(_cause(error))
            raise DatabaseError(words, late=late, refused=_is_refused(error), bare=bare) from error

    @contextmanager
    def _limit(self, connection: Connection, timeout_s: float) -> Iterator[Any]:
        """Ends what takes longer: PostgreSQL itself would a little before, unless it is not heard any more."""
        driver: Any = connection.connection.driver_connection
        if self.kind == "postgresql":
            driver.until = time.monotonic() + timeout_s + 1.0
            try:
                yield driver
            finally:
                driver.until = None
        else:
            with _limited(driver, timeout_s):
                yield None

    def _begin(self, connection: Connection) -> None:
        options = connection.get_execution_options()
        writes = options["writes"]
        if self.kind == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
            return
        level = "" if writes else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; "
        connection.exec_driver_sql(f"{level}SET LOCAL statement_timeout = {round(options['timeout_s'] * 1000)}")

    def _sqlite(self) -> Engine:
        engine = sqlalchemy.create_engine(
            "sqlite://",
            creator=lambda: sqlite.connect(self.path),
            poolclass=sqlalchemy.QueuePool,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=POOL_S,
        )
        event.listen(engine, "checkout", self._still_there)
        return engine

    def _still_there(self, driver: Any, *_: Any) -> None:
        """What is written into a file that was removed would be lost without a word."""
        if driver.file != self.file:
            raise InvalidatePoolError

    def _postgresql(self, url: str) -> Engine:
        from core import postgresql  # libpq takes room that a site without it needs for nothing

        return sqlalchemy.create_engine(
            "postgresql+psycopg://",
            creator=lambda: postgresql.connect(url, CONNECT_S),
            pool_size=CONNECTIONS // 2,
            max_overflow=CONNECTIONS // 2,
            pool_timeout=POOL_S,
            pool_pre_ping=True,
            pool_recycle=300,
        )

    def _explain(self, error: Exception, late: bool, timeout_s: float) -> str:
        if late:
            return f"{self.name} took longer than {timeout_s:g} s"
        if isinstance(error, PoolTimeout):
            return f"every connection to {self.name} is busy"
        if isinstance(error, OSError):
            return f"{self.path} can't be used: {(error.strerror or str(error)).lower()}"
        cause = _cause(error)
        if _lacks_table(cause):
            return f"{self.name} has no tables of Headway's yet"
        if isinstance(cause, sqlite3.Error):
            return f"SQLite says: {cause}"
        told = getattr(getattr(cause, "diag", None), "message_primary", None) or str(cause)
        # libpq writes the address before what it says of a connection.
        said = " ".join(told.rpartition(" failed: ")[2].partition("\n")[0].split())[:300]
        if "FATAL:" in said or getattr(cause, "sqlstate", None):
            return f"PostgreSQL says: {said.removeprefix('FATAL: ')}"
        return f"PostgreSQL can't be reached{_reason(told, said)}"


def _reason(told: str, said: str) -> str:
    """Why, where that is known to hold neither password nor address."""
    if " failed: " in told:
        return f": {said.lower()}"
    if told.startswith("failed to resolve host"):
        return f": its host has no address: {_ERRNO.sub('', told.rpartition(': ')[2]).lower()}"
    wrong = _WRONG.search(told)
    return f": {wrong[0].lower()}" if wrong else ""


@contextmanager
def _limited(driver: sqlite3.Connection, timeout_s: float) -> Iterator[None]:
    faults = list[BaseException]()
    looks = _looks(time.monotonic() + timeout_s, faults)
    next(looks)  # From here on all of it is in its `try`.
    driver.set_progress_handler(partial(next, looks), LOOKS)
    try:
        yield
    finally:
        with suppress(sqlite3.ProgrammingError):  # SQLAlchemy closes the connection of whoever exits
            driver.set_progress_handler(None, 0)
        if faults:
            raise faults[0]


def _looks(until: float, faults: list[BaseException]) -> Iterator[bool]:
    """Whether the time is over, at each look. What a signal raises meanwhile, such as an exit, would be lost in SQLite: it is
    kept, and ends what SQLite does."""
    is_over = False
    while True:
        try:
            yield is_over
            is_over = time.monotonic() > until
        except GeneratorExit:
            return
        except BaseException as fault:  # noqa: BLE001  it is raised once SQLite has ended
            faults.append(fault)
            is_over = True


def _cause(error: Exception) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error


def _is_late(error: Exception) -> bool:
    cause = _cause(error)
    return getattr(cause, "sqlite_errorname", "") == "SQLITE_INTERRUPT" or getattr(cause, "sqlstate", None) == "57014"


def _lacks_table(cause: BaseException | None) -> bool:
    return getattr(cause, "sqlstate", None) == "42P01" or "no such table" in str(cause)


def _is_refused(error: Exception) -> bool:
    """Whether it is about the values, and not about the database."""
    cause = _cause(error)
    return isinstance(error, DataError | IntegrityError) or (getattr(cause, "sqlstate", None) or "")[:2] in REFUSED
