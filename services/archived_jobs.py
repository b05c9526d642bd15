"""Jobs of the archive by number or id, for where the store no longer has them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
import sqlalchemy as sa

from core.database import Database
from core.site import Site
from services import archive_filter, archive_rows
from services.archive_filter import LARGEST_NUMBER, Condition
from services.archive_rows import ArchivedJob
from services.archive_schema import JOBS

Ends = dict[tuple[str, str], list[tuple[int, int]]]
"""By agent and id: the attempt that ended and when, in ms, of each job."""

# One parameter for all: as many as there are ids take most of the time. `||` keeps both databases to the index on ids.
_ENDS = {
    "postgresql": "SELECT agent, id, attempt, finished_ms FROM jobs WHERE id = ANY(%s) AND agent || '' = ANY(%s)",
    "sqlite": "SELECT agent, id, attempt, finished_ms FROM jobs WHERE id IN (SELECT value FROM json_each(?)) "
    "AND agent || '' IN (SELECT value FROM json_each(?))",
}


def ends(database: Database, refs: Collection[tuple[str, str]]) -> Ends:
    """How jobs of these agents and ids ended, as far as the archive has any. Raises DatabaseError."""
    found = Ends()
    agents, ids = {agent for agent, _ in refs}, {id for _, id in refs}
    given = tuple(
        list(names) if database.kind == "postgresql" else msgspec.json.encode(names).decode() for names in (ids, agents)
    )
    with database.read() as connection:
        if database.kind == "postgresql":  # it would read all of a table that it has not analyzed yet
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for agent, id, attempt, finished_ms in connection.exec_driver_sql(_ENDS[database.kind], given):
            if (agent, id) in refs:
                found.setdefault((agent, id), []).append((attempt, finished_ms))
    return found


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
