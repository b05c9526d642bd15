"""Tables are brought to what this version knows, forward and back, whole or not at all, by one process at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import text

from core import migrations
from core.database import Database, DatabaseError
from core.settings import read
from services import fingerprints
from services.archive_schema import METADATA
from tests.conftest import free_port
from tests.postgres import PASSWORD, Postgres
from tests.serving import ROOT, bare_environment


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """One without any table."""
    environment = {"HEADWAY_DATA": str(tmp_path)}
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        name = f"fresh_{uuid.uuid4().hex}"
        postgres.run(f"CREATE DATABASE {name}")
        environment["DATABASE_URL"] = postgres.url.replace("/postgres", f"/{name}")
    made = Database(read(environment))
    yield made
    made.close()


def at(database: Database) -> str | None:
    with database.read() as connection:
        return migrations.current(connection)


def schema(database: Database) -> dict[str, set[str]]:
    with database.read() as connection:
        found = sqlalchemy.inspect(connection)
        return {
            table: {column["name"] for column in found.get_columns(table)}
            | {str(index["name"]) for index in found.get_indexes(table)}
            for table in found.get_table_names()
        }


def begin(
    database: Database, *arguments: str, code: str = "from core.migrations import main; main()"
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, env=bare_environment() | database.environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_forward_and_back_and_forward_again_comes_out_the_same(database: Database) -> None:
    assert at(database) is None
    assert migrations.move(database) == migrations.head()
    made = schema(database)
    for table in METADATA.tables.values():
        assert {column.name for column in table.columns} <= made[table.name]
    assert migrations.move(database, "base", down=True) is None
    assert set(schema(database)) == {"alembic_version"}
    assert migrations.move(database) == migrations.head()
    assert schema(database) == made


def test_the_head_is_alembic_s() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER))
    assert ScriptDirectory.from_config(config).get_heads() == [migrations.head()]


def test_what_a_newer_headway_made_is_left_alone(database: Database) -> None:
    migrations.move(database)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("ALTER TABLE jobs ADD COLUMN later TEXT"))
    migrations.settle(database)
    assert migrations.move(database) == at(database) == "9999"
    assert "later" in schema(database)["jobs"]


KILLED = """
import os, signal, sys
from alembic import op
from core import migrations
from core.database import Database
from core.settings import read
made, steps = op.create_index, []
def create_index(*args, **kwargs):
    made(*args, **kwargs); steps.append(1)
    if len(steps) == 3: os.kill(os.getpid(), signal.SIGKILL)
op.create_index = create_index
migrations.move(Database(read(os.environ)))
"""


def test_one_that_is_killed_half_way_leaves_nothing_and_two_at_once_make_it_once(database: Database) -> None:
    killed = begin(database, code=KILLED)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert schema(database) == {}
    both = [begin(database, "upgrade") for _ in range(2)]
    for process in both:
        said = process.communicate(timeout=60)
        assert said == (f"{database.name} is at {migrations.head()}\n", "")
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM archive")).scalar() == 1


def test_failures_of_before_get_their_type_and_what_they_share(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("SELECT 1"))
    migrations.move(database, "0001")
    insert = text(
        "INSERT INTO jobs (number, agent, id, status, error, progress, attempt, created_ms, finished_ms, updated_ms, duration_ms, "
        "bucket, published, stages, attempts) "
        "VALUES (:n, 'a', :id, :status, :error, 0, 1, 1, 1, 1, 0, 0, false, '[]', '[]')"
    )
    told = [
        ("failed", "KeyError: 17"),
        ("failed", "KeyError: 18"),
        ("failed", "it broke"),
        ("failed", None),
        ("completed", "x: y"),
    ]
    with database.write() as connection:
        for n, (status, error) in enumerate(told * 250, 1):
            connection.execute(insert, {"n": n, "id": str(n), "status": status, "error": error})
    migrations.move(database)
    with database.read() as connection:
        found = connection.execute(text("SELECT error_type, fingerprint FROM jobs ORDER BY key")).all()
    one, other, broke, silent, completed = found[:5]
    assert one == other == found[-5]
    assert one == ("KeyError", fingerprints.of("KeyError", "KeyError: 19"))
    assert (broke[0], broke[1]) == (None, fingerprints.of(None, "it broke"))
    assert silent == completed == (None, None)


def test_by_hand_it_goes_back_and_says_where_it_is(
    database: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in database.environment.items():
        monkeypatch.setenv(name, value)
    assert migrations.main(["current"]) == 0
    assert migrations.main(["upgrade"]) == 0
    assert migrations.main(["downgrade", "base"]) == 0
    head = migrations.head()
    assert capsys.readouterr().out.splitlines() == [
        f"{database.name} is at no revision", f"{database.name} is at {head}", f"{database.name} is at no revision",
    ]  # fmt: skip
    with pytest.raises(SystemExit):
        migrations.main(["downgrade"])
    assert "downgrade to which revision?" in capsys.readouterr().err
    assert migrations.main(["upgrade", "0815"]) == 1
    assert "0815" in capsys.readouterr().err


def test_why_it_can_not_be_done_is_one_line_without_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"postgresql://headway:{PASSWORD}@127.0.0.1:{free_port()}/postgres"
    monkeypatch.setenv("DATABASE_URL", url)
    assert migrations.main(["upgrade"]) == 1
    assert capsys.readouterr().err == "PostgreSQL can't be reached: connection refused\n"
    with pytest.raises(DatabaseError, match="connection refused"):
        migrations.settle(Database(read(dict(os.environ))))


def test_a_failure_of_the_process_that_migrates_is_told_by_its_last_line(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.write() as connection:
        connection.execute(text("CREATE TABLE jobs (id TEXT)"))  # somebody else's
    with pytest.raises(DatabaseError, match=r"its tables can't be brought up to date: .* says: .*already exists"):
        migrations.settle(database)
    assert set(schema(database)) == {"jobs"}
