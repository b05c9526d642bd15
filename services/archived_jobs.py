"""One job of the archive, by its number or its id, for where the store no longer has it."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from core.site import Site
from services import archive_filter, archive_rows
from services.archive_filter import LARGEST_NUMBER, Condition
from services.archive_rows import ArchivedJob
from services.archive_schema import JOBS


def get(site: Site, number: int) -> ArchivedJob | None:
    """The job of a number, None where the archive has none. Raises DatabaseError."""
    return _one(site, [JOBS.c.number == number]) if 0 < number <= LARGEST_NUMBER else None


def of_agent(site: Site, agent: str, ref: str) -> ArchivedJob | None:
    """An agent's job of a number or an id. Raises DatabaseError."""
    return _one(site, [archive_filter.named(ref), JOBS.c.agent == agent])


def find(site: Site, ref: str) -> ArchivedJob | None:
    """The job of a number or an id of any agent; the one that ended last of several. Raises DatabaseError."""
    return _one(site, [archive_filter.named(ref)])


def _one(site: Site, fits: Sequence[Condition]) -> ArchivedJob | None:
    newest = sa.select(*archive_rows.COLUMNS).where(*fits).order_by(JOBS.c.finished_ms.desc(), JOBS.c.key.desc())
    with site.database.read() as connection:
        row = connection.execute(newest.limit(1)).mappings().first()
    return None if row is None else archive_rows.of(row)
