"""Sources of kind `sql`, asked of a real PostgreSQL and of SQLite's files: they read, and nothing else."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from core.config.sources import Sql
from core.settings import read as read_settings
from core.site import Site
from services import tile_sources
from services.tile_sources import Context, SourceError
from tests.conftest import TOKEN, free_port, wait_until
from tests.outside import Outside
from tests.postgres import PASSWORD, Postgres
from tests.proxy import Proxy
from tests.serving import ROOT


def value(site: Site, url: str | None, query: str, timeout_s: float = 5.0) -> int | float | None:
    return tile_sources.read(Sql(query=query, url=url), Context(site, timeout_s))


def why(site: Site, url: str | None, query: str, timeout_s: float = 5.0) -> str:
    with pytest.raises(SourceError) as told:
        value(site, url, query, timeout_s)
    return str(told.value)


UNDER_GEVENT = """
from gevent import monkey; monkey.patch_all()
import sys, gevent
from types import SimpleNamespace
from core.config.sources import Sql
from services.tile_sources import Context, SourceError, read
turns = []
def count():
    while True:
        turns.append(1); gevent.sleep(0.01)
gevent.spawn(count)
try: read(Sql(query="SELECT pg_sleep(60)", url=sys.argv[1]), Context(SimpleNamespace(), 0.5))
except SourceError as fault: print(fault, len(turns) > 10)
"""


class TestPostgresql:
    @pytest.fixture
    def url(self, postgres: Postgres) -> Iterator[str]:
        """A database with three users."""
        postgres.run(
            "DROP TABLE IF EXISTS users",
            "CREATE TABLE users (id int PRIMARY KEY, name text)",
            "INSERT INTO users VALUES (1, 'a'), (2, 'b%'), (3, 'c')",
        )
        yield postgres.url
        # Whatever was tried: they are all there, and nobody is at work any more.
        assert postgres.run("SELECT count(*) FROM users") == 3
        others = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'headway'"
        wait_until(lambda: postgres.run(others) == 0, what="the end of all questions")

    @pytest.mark.parametrize(
        ("query", "answer"),
        [
            ("SELECT count(*) FROM users", 3),
            ("SELECT id, name FROM users ORDER BY id DESC;", 3),
            ("SELECT id FROM users WHERE name LIKE '%\\%'", 2),
            ("WITH few AS (SELECT id FROM users) SELECT max(id) FROM few", 3),
            ("VALUES (7)", 7),
            ("SELECT avg(id) FROM users", 2),
            ("SELECT 12.5::numeric", 12.5),
            ("SELECT 0.25::real", 0.25),
            ("SELECT '17'", 17),
            ("SELECT interval '90 minutes'", 5400),
            ("SELECT max(id) FROM users WHERE id > 9", None),
            ("SELECT 5 FROM users a, users b, users c", 5),
        ],
    )
    def test_the_first_figure_of_the_first_row_is_the_value(
        self, site: Site, url: str, query: str, answer: float | None
    ) -> None:
        assert value(site, url, query) == answer

    @pytest.mark.parametrize(
        ("query", "told"),
        [
            ("SELECT 1 WHERE false", "the statement answers no row"),
            ("SELECT true", "what the statement answers is no number"),
            ("SELECT name FROM users", "what the statement answers is no number"),
            ("SELECT 'NaN'::numeric", "what the statement answers is no finite number"),
            ("SELECT 'Infinity'::float8", "what the statement answers is no finite number"),
            ("SELECT nothing FROM users", 'PostgreSQL says: column "nothing" does not exist'),
            ("SELEC 1", 'PostgreSQL says: syntax error at or near "SELEC"; it takes one SELECT here'),
            ("SELECT 1 / (id - 1) FROM users", "PostgreSQL says: division by zero"),
        ],
    )
    def test_what_gives_no_number_is_told(self, site: Site, url: str, query: str, told: str) -> None:
        assert why(site, url, query) == told

    @pytest.mark.parametrize(
        "query",
        [
            "DELETE FROM users",
            "UPDATE users SET id = id + 10",
            "DROP TABLE users",
            "TRUNCATE users",
            "SELECT 1; DROP TABLE users",
            "SELECT 1; COMMIT; DROP TABLE users",
            "COMMIT; DROP TABLE users",
            "COMMIT",
            "ROLLBACK; BEGIN READ WRITE; DELETE FROM users; COMMIT",
            "SET TRANSACTION READ WRITE",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
            "SELECT set_config('transaction_read_only', 'off', false)",
            "WITH gone AS (DELETE FROM users RETURNING id) SELECT count(*) FROM gone",
            "SELECT * INTO taken FROM users",
            "CREATE TABLE taken AS SELECT * FROM users",
            "DO $$ BEGIN DELETE FROM users; END $$",
            "COPY users FROM '/etc/passwd'",
            "COPY (SELECT 1) TO PROGRAM 'touch {file}'",
            "CALL something()",
            "EXPLAIN ANALYZE DELETE FROM users",
            "SELECT id FROM users FOR UPDATE",
            "SELECT nextval('counted')",
            "LISTEN something",
        ],
    )
    def test_a_statement_that_does_more_than_read_is_refused(
        self, site: Site, url: str, postgres: Postgres, query: str, tmp_path: Path
    ) -> None:
        postgres.run("CREATE SEQUENCE IF NOT EXISTS counted", "SELECT setval('counted', 5)")
        tmp_path.chmod(0o777)
        file = tmp_path / "written"
        assert why(site, url, query.format(file=file)).startswith("PostgreSQL says: ")
        assert not file.exists()
        assert postgres.run("SELECT last_value FROM counted") == 5
        assert postgres.run("SELECT to_regclass('taken')") is None

    @pytest.mark.parametrize("query", ["SELECT pg_sleep(60)", "SELECT count(*) FROM generate_series(1, 10000000000)"])
    def test_a_statement_that_takes_too_long_is_ended_in_the_database_too(
        self, site: Site, url: str, query: str
    ) -> None:
        assert why(site, url, query, 0.3) == "the statement took longer than 0.3 s"

    def test_a_server_that_falls_silent_in_mid_sentence_is_given_up(self, site: Site, postgres: Postgres) -> None:
        asked = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'FETCH%' AND state = 'active'"
        with closing(Proxy(("127.0.0.1", postgres.port))) as proxy, ThreadPoolExecutor(1) as other:
            url = postgres.url.replace(str(postgres.port), str(proxy.port))
            told = other.submit(why, site, url, "SELECT pg_sleep(60)", 1.0)
            wait_until(lambda: postgres.run(asked), what="the statement's beginning")
            proxy.silent = True
            assert told.result(30) == "the statement took longer than 1 s"

    def test_a_server_that_never_says_a_word_is_given_up(self, site: Site) -> None:
        silent = Outside()
        url = f"postgresql://u:hush@127.0.0.1:{silent.port}/x"
        assert why(site, url, "SELECT 1", 0.3) == "PostgreSQL at 127.0.0.1 can't be reached"
        silent.close()

    def test_what_stands_in_the_way_of_a_connection_is_told_without_the_password(
        self, site: Site, postgres: Postgres
    ) -> None:
        wrong = postgres.url.replace(PASSWORD, "hush")
        assert (
            why(site, wrong, "SELECT 1")
            == 'PostgreSQL at 127.0.0.1 says: password authentication failed for user "headway"'
        )
        assert why(site, postgres.url + "x", "SELECT 1").endswith('says: database "postgresx" does not exist')
        for host in (f"127.0.0.1:{free_port()}", "nowhere.invalid"):
            told = why(site, f"postgresql://u:hush@{host}/x", "SELECT 1")
            assert told == f"PostgreSQL at {host.split(':')[0]} can't be reached"
        for url in ("postgresql://u:hush%zz@127.0.0.1/x", "postgresql://u:hush@127.0.0.1/x?hush=1"):
            assert "hush" not in why(site, url, "SELECT 1")

    def test_other_greenlets_go_on_while_it_is_waited_for(self, url: str) -> None:
        done = subprocess.run(
            [sys.executable, "-c", UNDER_GEVENT, url], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.stdout == "the statement took longer than 0.5 s True\n", done.stderr

    def test_database_url_is_asked_where_the_source_names_none(self, site: Site, url: str) -> None:
        settings = read_settings({"DATABASE_URL": url, "HEADWAY_TOKEN": TOKEN})
        assert value(replace(site, settings=settings), None, "SELECT count(*) FROM users") == 3

    def test_it_waits_for_no_lock_longer_than_its_time(self, site: Site, url: str) -> None:
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
            assert why(site, url, "SELECT count(*) FROM users", 0.3) == "the statement took longer than 0.3 s"


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


class TestSqlite:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Iterator[Path]:
        file = tmp_path / "a b?c#d%e.db"
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(
                "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);"
                "INSERT INTO users VALUES (1, 'a'), (2, 'b%'), (3, 'c');"
            )
        before = file.read_bytes()
        yield file
        assert file.read_bytes() == before
        assert [one.name for one in tmp_path.iterdir()] == [file.name]

    @pytest.fixture
    def url(self, file: Path) -> str:
        return f"sqlite:///{str(file).replace('%', '%25').replace(' ', '%20')}"

    @pytest.mark.parametrize(
        ("query", "answer"),
        [
            ("SELECT count(*) FROM users", 3),
            ("SELECT id, name FROM users ORDER BY id DESC;", 3),
            ("SELECT id FROM users WHERE name LIKE '%\\%' ESCAPE '\\'", 2),
            ("WITH few AS (SELECT id FROM users) SELECT max(id) FROM few", 3),
            ("VALUES (7)", 7),
            ("SELECT avg(id) FROM users", 2),
            ("SELECT '12.5'", 12.5),
            ("SELECT max(id) FROM users WHERE id > 9", None),
            ("SELECT sum(value) FROM json_each('[1, 2, 3]')", 6),
        ],
    )
    def test_the_first_figure_of_the_first_row_is_the_value(
        self, site: Site, url: str, query: str, answer: float | None
    ) -> None:
        assert value(site, url, query) == answer

    def test_a_path_is_from_headways_folder_or_from_the_root(
        self, site: Site, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(file.parent)
        assert value(site, "sqlite:///a%20b?c#d%25e.db", "SELECT count(*) FROM users") == 3

    @pytest.mark.parametrize(
        ("query", "told"),
        [
            ("SELECT 1 WHERE 0", "the statement answers no row"),
            ("SELECT name FROM users", "what the statement answers is no number"),
            ("SELECT x'00'", "what the statement answers is no number"),
            ("SELECT 9e999", "what the statement answers is no finite number"),
            ("SELECT nowhere FROM users", "SQLite says: no such column: nowhere"),
            ("SELECT * FROM nowhere", "SQLite says: no such table: nowhere"),
            ("SELEC 1", 'SQLite says: near "SELEC": syntax error'),
            ("SELECT 1; SELECT 2", "SQLite says: You can only execute one statement at a time."),
            ("SELECT hex(zeroblob(1000000000))", "SQLite says: string or blob too big"),
            ("SELECT load_extension('x')", "SQLite says: not authorized"),
        ],
    )
    def test_what_gives_no_number_is_told(self, site: Site, url: str, query: str, told: str) -> None:
        assert why(site, url, query) == told

    @pytest.mark.parametrize(
        "query",
        [
            "DELETE FROM users",
            "UPDATE users SET id = id + 10",
            "INSERT INTO users VALUES (9, 'x') RETURNING id",
            "DROP TABLE users",
            "CREATE TABLE taken (id)",
            "CREATE TEMP TABLE taken AS SELECT * FROM users",
            "WITH x AS (SELECT 1) DELETE FROM users",
            "PRAGMA query_only = OFF",
            "PRAGMA journal_mode = WAL",
            "PRAGMA writable_schema = ON",
            "ATTACH 'taken.db' AS taken",
            "VACUUM INTO 'taken.db'",
            "BEGIN IMMEDIATE",
            "COMMIT",
            "ANALYZE",
        ],
    )
    def test_a_statement_that_does_more_than_read_is_refused(
        self, site: Site, url: str, file: Path, query: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(file.parent)
        assert why(site, url, query) == "the statement should only read: one SELECT"

    def test_a_second_statement_is_refused(self, site: Site, url: str) -> None:
        assert "one statement" in why(site, url, "SELECT 1; DROP TABLE users")

    def test_a_missing_file_is_told_and_not_made(self, site: Site, tmp_path: Path) -> None:
        missing = tmp_path / "missing.db"
        for path in (missing, tmp_path):
            assert why(site, f"sqlite:///{path}", "SELECT 1") == f"there is no file {path}"
        assert list(tmp_path.iterdir()) == []

    def test_a_file_of_something_else_is_told(self, site: Site, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.write_text("no database at all" * 100)
        assert why(site, f"sqlite:///{other}", "SELECT 1 FROM users") == "SQLite says: file is not a database"

    def test_a_statement_that_takes_too_long_is_ended(self, site: Site, url: str) -> None:
        assert why(site, url, ENDLESS, 0.3) == "the statement took longer than 0.3 s"

    def test_a_database_that_another_holds_is_waited_for_no_longer_than_that(
        self, site: Site, url: str, file: Path
    ) -> None:
        with closing(sqlite3.connect(file)) as other:
            other.execute("BEGIN EXCLUSIVE")
            assert why(site, url, "SELECT count(*) FROM users", 0.2) == "SQLite says: database is locked"
