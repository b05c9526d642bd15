"""How long the archive keeps a job: `[retention] archive`. What is older goes in small steps, and a file gives its room back."""

from __future__ import annotations

from typing import Any

import sqlalchemy

from core import migrations
from core.database import Database
from core.site import Site
from services import archive_standing
from services.archive_schema import ARCHIVE, JOBS

EVERY_S = 300.0
STEP = 500
"""Jobs a step: nobody who writes waits for it longer than some tens of milliseconds."""
MOST_STEPS = 1000
"""Steps a run: what is left waits for the next one."""
SPARE = 0.1
"""The share of a file that is kept for what comes."""
PAGES = 200
"""Pages of 4 KiB that a file gives back at a time."""


def run(site: Site) -> int:
    """Remove what is too old; how many jobs went. Raises DatabaseError."""
    if not site.database.is_begun:
        return 0
    migrations.settle(site.database)
    before_ms, gone = int((site.clock() - site.config.retention.archive) * 1000), 0
    for _ in range(MOST_STEPS):
        step = _step(site.database, before_ms)
        gone += step
        if step < STEP:
            break
    if gone:
        archive_standing.tell(site)
    if site.database.kind == "sqlite":
        _give_back(site.database)
    return gone


def _step(database: Database, before_ms: int) -> int:
    c = JOBS.c
    oldest = sqlalchemy.select(c.key).where(c.finished_ms < before_ms).order_by(c.finished_ms, c.key).limit(STEP)
    with database.write() as connection:
        gone = connection.execute(sqlalchemy.delete(JOBS).where(c.key.in_(oldest.scalar_subquery()))).rowcount
        if gone:
            connection.execute(ARCHIVE.update().values(jobs=ARCHIVE.c.jobs - gone))
    return gone


def _give_back(database: Database) -> None:
    for _ in range(MOST_STEPS):
        with database.read(archiving=True) as connection:
            free, pages = (
                connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("freelist_count", "page_count")
            )
            if free < max(SPARE * pages, PAGES):
                return
            file: Any = connection.connection.driver_connection
            file.give_back(PAGES)
