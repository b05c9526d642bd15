"""A site with an archive, in a real PostgreSQL or a file of SQLite, empty for each test."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import sqlalchemy

from core import migrations
from core.database import Database
from core.settings import Settings, read
from core.site import Site
from services.archive_schema import ARCHIVE, JOBS
from tests.postgres import Postgres

KINDS = ("sqlite", "postgresql")


def database(settings: Settings, postgres: Postgres | None = None) -> Database:
    """An empty archive with its tables: in PostgreSQL where one is given, else in a file in the settings' folder."""
    made = Database(replace(settings, database_url=postgres.url if postgres else None))
    if postgres is None:
        settings.data.mkdir(parents=True, exist_ok=True)
        shutil.copy(_file(), made.path)
    else:
        migrations.settle(made)
    empty(made)
    return made


def empty(made: Database) -> None:
    """No jobs, and another archive than before."""
    with made.write() as connection:
        connection.execute(JOBS.delete())
        connection.execute(ARCHIVE.update().values(jobs=0, archived_ms=None, site=str(uuid.uuid4())))


@contextmanager
def archived(site: Site, postgres: Postgres | None = None) -> Iterator[Site]:
    made = database(site.settings, postgres)
    yield replace(site, database=made, settings=replace(site.settings, database_url=postgres.url if postgres else None))
    made.close()


def rows(site: Site) -> list[dict[str, Any]]:
    """What is archived, by number."""
    with site.database.read() as connection:
        found = connection.execute(sqlalchemy.select(JOBS).order_by(JOBS.c.number, JOBS.c.key)).mappings()
        return [dict(row) for row in found]


@cache
def _file() -> Path:
    """A file with empty tables, made once a process: making them takes most of a second."""
    made = Database(read({"HEADWAY_DATA": mkdtemp(prefix="hw-archive-")}))
    migrations.settle(made)
    made.close()
    return made.path
