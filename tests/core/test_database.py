"""The SQL database: transactions, and what its failures are called, however it fails and for as long as it likes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import event, text

from core.database import FILE, READERS, Database, DatabaseError
from core.settings import read
from tests.conftest import free_port
from tests.postgres import PASSWORD, Postgres
from tests.proxy import Proxy
from tests.serving import ROOT

FOREVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


@contextmanager
def at(url: str | None, folder: Path) -> Iterator[Database]:
    database = Database(read({"HEADWAY_DATA": str(folder), "DATABASE_URL": url or ""}))
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with at(request.getfixturevalue("postgres").url if request.param == "postgresql" else None, tmp_path) as database:
        with database.write() as connection:
            connection.execute(text("DROP TABLE IF EXISTS things"))
            connection.execute(text("CREATE TABLE things (id INTEGER PRIMARY KEY)"))
        yield database


def count(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(text("SELECT count(*) FROM things")).scalar_one())


def asked(database: Database, statement: str = "SELECT 1", timeout_s: float = 1.0) -> object:
    with database.read(timeout_s) as connection:
        return connection.execute(text(statement)).scalar()


def fault(database: Database, statement: str = "SELECT 1", timeout_s: float = 1.0) -> DatabaseError:
    with pytest.raises(DatabaseError) as raised:
        asked(database, statement, timeout_s)
    return raised.value


def test_what_is_written_is_there_as_a_whole_or_not_at_all(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("INSERT INTO things VALUES (1), (2)"))
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        connection.execute(text("INSERT INTO things VALUES (3)"))
        raise ZeroDivisionError
    assert count(database) == 2


def test_reading_sees_one_moment_and_writes_nothing(database: Database) -> None:
    with database.read() as connection:
        before = connection.execute(text("SELECT count(*) FROM things")).scalar()
        with database.write() as other:
            other.execute(text("INSERT INTO things VALUES (1)"))
        assert connection.execute(text("SELECT count(*) FROM things")).scalar() == before == 0


def test_a_value_that_it_can_not_take_is_refused_and_nothing_else_is(database: Database) -> None:
    with pytest.raises(DatabaseError) as raised, database.write() as connection:
        connection.execute(text("INSERT INTO things VALUES (1), (1)"))
    assert raised.value.refused
    missing = fault(database, "SELECT 1 FROM nowhere")
    assert not missing.refused
    assert str(missing) == f"{database.name} has no tables of Headway's yet"


def test_what_takes_too_long_is_ended_and_the_connection_is_good_again(database: Database) -> None:
    began = time.monotonic()
    late = fault(database, FOREVER, 0.3)
    assert late.late
    assert str(late) == f"{database.name} took longer than 0.3 s"
    assert time.monotonic() - began < 10
    assert asked(database) == 1


def test_more_readers_than_connections_are_told_so_and_keep_nobody_from_archiving(database: Database) -> None:
    ready, over = threading.Barrier(READERS + 1), threading.Event()

    def hold() -> None:
        with database.read():
            ready.wait(30)
            over.wait(30)

    threads = [threading.Thread(target=hold) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    ready.wait(30)
    assert str(fault(database)) == f"every connection to {database.name} is busy"
    with database.read(archiving=True) as connection:
        assert connection.execute(text("SELECT count(*) FROM things")).scalar() == 0
        with database.write() as other:
            other.execute(text("INSERT INTO things VALUES (1)"))
    over.set()
    for thread in threads:
        thread.join(30)
    assert asked(database) == 1


def test_a_server_that_falls_silent_is_given_up_wherever_that_happens(postgres: Postgres, tmp_path: Path) -> None:
    proxy = Proxy(("127.0.0.1", postgres.port))
    with at(f"postgresql://headway:{PASSWORD}@127.0.0.1:{proxy.port}/postgres", tmp_path) as database:
        assert asked(database) == 1
        began = time.monotonic()
        with pytest.raises(DatabaseError) as raised, database.read(0.2) as connection:
            proxy.silent = True
            connection.execute(text("SELECT 1"))
        assert raised.value.late
        proxy.silent = False
        assert asked(database) == 1
        proxy.silent = True  # while a connection lies idle, and for new ones
        assert str(fault(database)) == "PostgreSQL can't be reached: connection timeout expired"
        assert time.monotonic() - began < 20
        proxy.drop()
        proxy.silent = False
        assert asked(database) == 1
    proxy.close()


def test_connections_that_the_server_ended_are_made_anew(postgres: Postgres, tmp_path: Path) -> None:
    with at(postgres.url, tmp_path) as database:
        assert asked(database) == 1
        postgres.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'headway'")
        assert asked(database) == 1


def test_words_name_no_password_and_no_address(postgres: Postgres, tmp_path: Path) -> None:
    there = f"127.0.0.1:{postgres.port}"
    cases = {
        f"postgresql://headway:hush-hush@{there}/postgres": 'PostgreSQL says: password authentication failed for user "headway"',
        f"postgresql://headway:{PASSWORD}@{there}/nowhere": 'PostgreSQL says: database "nowhere" does not exist',
        f"postgresql://headway:hush-hush@127.0.0.1:{free_port()}/postgres": "PostgreSQL can't be reached: connection refused",
        "postgresql://headway:hush-hush@nowhere.invalid/postgres": (
            "PostgreSQL can't be reached: its host has no address: name or service not known"
        ),
        f"postgresql://headway:hush-hush@{there}/postgres?sslnegotiation=hush": (
            "PostgreSQL can't be reached: invalid sslnegotiation value"
        ),
        f"postgresql://headway:hush-hush@{there}/postgres?sslmode=require": (
            "PostgreSQL can't be reached: server does not support ssl, but ssl was required"
        ),
    }
    for url, words in cases.items():
        with at(url, tmp_path) as database:
            assert str(fault(database)) == words


def test_addresses_as_platforms_write_them(postgres: Postgres, tmp_path: Path) -> None:
    postgres.run("DROP ROLE IF EXISTS odd", "CREATE ROLE odd LOGIN PASSWORD 'p@ss/w:rd%'")
    there = f"127.0.0.1:{postgres.port}/postgres"
    for url in (
        f"postgres://odd:p%40ss%2Fw%3Ard%25@{there}",
        f"postgresql://odd:p%40ss%2Fw%3Ard%25@{there}?sslmode=prefer&connect_timeout=2",
    ):
        with at(url, tmp_path) as database:
            assert asked(database, "SELECT current_user") == "odd"


def test_a_folder_that_can_not_be_used_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with at(None, tmp_path / "file") as database:
        assert str(fault(database)) == f"{tmp_path / 'file' / FILE} can't be used: file exists"
    (tmp_path / FILE).write_text("no database" * 1000)
    with at(None, tmp_path) as database:
        assert str(fault(database)) == "SQLite says: file is not a database"


def test_a_full_disk_is_said_in_words_and_what_was_there_stays(tmp_path: Path) -> None:
    with at(None, tmp_path) as database:
        with database.write() as connection:
            connection.execute(text("CREATE TABLE things (id TEXT)"))
            connection.execute(text("INSERT INTO things VALUES ('kept')"))
        with pytest.raises(DatabaseError) as raised, database.write() as connection:
            connection.execute(text("PRAGMA max_page_count = 4"))
            connection.execute(text("INSERT INTO things VALUES (zeroblob(100000))"))
        assert str(raised.value) == "SQLite says: database or disk is full"
        assert not raised.value.refused
        assert count(database) == 1


TOLD_TO_END = """
import os, signal, sys, threading
from sqlalchemy import text
from core.database import Database
from core.settings import read
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
with Database(read({"HEADWAY_DATA": sys.argv[2]})).read(60) as connection:
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
    connection.execute(text(sys.argv[1]))
"""


def test_a_signal_ends_what_sqlite_does_and_is_no_fault_of_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TOLD_TO_END, FOREVER, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (143, "")


UNDER_GEVENT = """
from gevent import monkey; monkey.patch_all()
import sys, gevent, time
from sqlalchemy import text
from core.database import Database, DatabaseError
from core.settings import read
longest, last = 0.0, time.perf_counter()
def watch():
    global longest, last
    while True:
        gevent.sleep(0.005)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
def work(statement):
    try:
        with database.read(0.6) as connection: connection.execute(text(statement))
    except DatabaseError as fault: return str(fault)
for url, statement in (("", sys.argv[1]), (sys.argv[2], "SELECT pg_sleep(5)")):
    database = Database(read({"DATABASE_URL": url, "HEADWAY_DATA": sys.argv[3]}))
    work("SELECT 1")
    longest, last = 0.0, time.perf_counter()
    watching = gevent.spawn(watch)
    many = [gevent.spawn(work, statement) for _ in range(3)]
    gevent.joinall(many)
    watching.kill()
    print(*{one.value for one in many}, longest < 0.5)
"""


def test_other_greenlets_go_on_while_either_database_works(postgres: Postgres, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNDER_GEVENT, FOREVER, postgres.url, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (
        "SQLite took longer than 0.6 s True\nPostgreSQL took longer than 0.6 s True\n",
        "",
    )


def test_nothing_is_written_into_a_file_that_was_removed(tmp_path: Path) -> None:
    with at(None, tmp_path) as database:
        for _ in range(2):
            with database.write() as connection:
                connection.execute(text("CREATE TABLE things (id TEXT)"))
            assert database.file is not None
            assert count(database) == 0
            for file in tmp_path.glob(f"{FILE}*"):
                file.unlink()
        assert database.file is None
        assert fault(database, "SELECT 1 FROM things").bare


def test_an_exit_between_two_steps_of_sqlite_is_no_fault_of_the_database(tmp_path: Path):
    database = Database(read({"HEADWAY_DATA": str(tmp_path)}))

    def leave(*_: object) -> None:
        sys.exit(143)

    with database.write() as connection:
        connection.execute(text("CREATE TABLE t (n INTEGER)"))
    event.listen(database.engine, "do_execute", leave)
    with pytest.raises(SystemExit), database.write() as connection:
        connection.execute(text("INSERT INTO t VALUES (1)"))
    event.remove(database.engine, "do_execute", leave)
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM t")).scalar() == 0
    database.close()
