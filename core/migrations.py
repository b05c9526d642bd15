"""The tables of the SQL database, brought to the revision that this version of Headway knows (Alembic, `migrations/`).

`python -m core.migrations upgrade`, `downgrade REVISION` or `current`; the database is that of the environment's settings.
A revision is made whole or not at all, by one process at a time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import sqlalchemy
from sqlalchemy import Connection

from core.database import Database, DatabaseError
from core.settings import SettingError, read

FOLDER = Path(__file__).parent.parent / "migrations"
LOCK = 0x4865616477617921
"""The number of PostgreSQL's advisory lock."""
UPGRADE_S = 3600.0
"""A later revision may have to go through all that is archived."""


class RevisionError(Exception):
    """There is no such revision, or no way to it."""


@cache
def head() -> str:
    """The newest revision that there is here, without loading Alembic: the last file by name."""
    return max(file.name for file in (FOLDER / "versions").glob("[0-9]*.py"))[:4]


def current(connection: Connection) -> str | None:
    """The revision that the tables are at; None where there are none."""
    if not sqlalchemy.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sqlalchemy.text("SELECT version_num FROM alembic_version")).scalar()


def settle(database: Database) -> None:
    """Bring the tables to `head()` where they are behind; those of a newer Headway stay as they are.

    In a process of its own: Alembic takes room that nothing needs later. Raises DatabaseError.
    """
    with database.read(archiving=True) as connection:
        at = current(connection)
    if at is not None and at >= head():
        return
    environment = dict(os.environ) | database.environment
    done = subprocess.run(
        [sys.executable, "-m", "core.migrations", "upgrade"],
        cwd=FOLDER.parent, env=environment, capture_output=True, text=True, timeout=UPGRADE_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise DatabaseError(f"its tables can't be brought up to date: {said[0]}")


def move(database: Database, target: str = "head", *, down: bool = False) -> str | None:
    """Go to a revision, `base` for none, and answer it. Raises DatabaseError, RevisionError."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    with database.write(UPGRADE_S) as connection:
        if database.kind == "postgresql":
            connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        if not down and (at := current(connection)) is not None and at >= head():
            return at  # another process was faster, or a newer Headway was here
        config = Config()
        config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
        config.attributes["connection"] = connection
        try:
            (command.downgrade if down else command.upgrade)(config, target)
        except CommandError as fault:
            raise RevisionError(str(fault)) from fault
        return current(connection)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m core.migrations", description=__doc__)
    parser.add_argument("what", choices=("upgrade", "downgrade", "current"))
    parser.add_argument("revision", nargs="?", default="head", help="such as 0001; base for no tables at all")
    asked = parser.parse_args(arguments)
    if asked.what == "downgrade" and asked.revision == "head":
        parser.error("downgrade to which revision? For example: python -m core.migrations downgrade 0001")
    try:
        database = Database(read(os.environ))
        try:
            at = _do(database, asked.what, asked.revision)
        finally:
            database.close()
    except (SettingError, DatabaseError, RevisionError) as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    sys.stdout.write(f"{database.name} is at {at or 'no revision'}\n")
    return 0


def _do(database: Database, what: str, revision: str) -> str | None:
    if what != "current":
        return move(database, revision, down=what == "downgrade")
    with database.read() as connection:
        return current(connection)


if __name__ == "__main__":
    sys.exit(main())
