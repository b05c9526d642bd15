"""Archived jobs as a file, the oldest end first, written as they are read: memory does not grow with their number."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Connection

from core.database import DatabaseError, Kind
from core.site import Site
from services import archive_filter, archive_lines
from services.archive_filter import Filter
from services.archive_schema import JOBS
from services.archive_search import MOST_PROBED, Search

log = logging.getLogger("headway.history")

Format = Literal["ndjson", "csv"]
FORMATS: tuple[Format, ...] = ("ndjson", "csv")

BATCH = 100
"""Rows that are read and written before others get their turn: about two milliseconds of work."""
EXPORT_S = 3600.0
"""How long one file may take, however slowly it is read."""


def export(site: Site, chosen: Filter, form: Format) -> Iterator[bytes]:
    """The file, in pieces. The first is there once the database has answered, so what it has to say against it is raised by the
    first `next`: DatabaseError. What fails later ends the file in its middle, by OSError, as a broken connection would."""
    begun = False
    try:
        with site.database.read(EXPORT_S) as connection:
            for rows in _batches(connection, site.database.kind, chosen):
                yield _piece(rows, form, header=not begun)
                begun = True
                time.sleep(0)  # others get their turn
        if not begun:
            yield _piece([], form, header=True)
    except DatabaseError as error:
        if error.bare and not begun:  # nothing was archived yet
            yield _piece([], form, header=True)
            return
        if not begun:
            raise
        log.warning("an export of archived jobs ended before its end, because %s", error)
        raise BrokenPipeError(errno.EPIPE, str(error)) from error


def _piece(rows: Sequence[Sequence[Any]], form: Format, *, header: bool) -> bytes:
    if form == "ndjson":
        return archive_lines.ndjson(rows)
    return (archive_lines.csv_header() if header else b"") + archive_lines.as_csv(rows)


def _batches(connection: Connection, kind: Kind, chosen: Filter) -> Iterator[Sequence[Sequence[Any]]]:
    asked = _few(connection, chosen) if kind == "sqlite" else None
    if asked is None:
        asked = sa.select(*archive_lines.COLUMNS).where(*archive_filter.conditions(chosen, kind))
        asked = asked.order_by(JOBS.c.finished_ms, JOBS.c.key)
        # SQLite would sort all of it in memory where it takes another index.
        asked = asked.with_hint(JOBS, f"INDEXED BY {_road(chosen)}", "sqlite")
    with connection.execution_options(yield_per=BATCH).execute(asked) as result:
        yield from result.partitions()


def _few(connection: Connection, chosen: Filter) -> sa.Select[Any] | None:
    """The rows of a filter that has few, which SQLite finds by their keys."""
    search = Search(connection, "sqlite", chosen, ascending=True)
    if not search.has_few():
        return None
    keys = [key for _, key in search.places(None, MOST_PROBED)]
    few = JOBS.c.key.in_(sa.bindparam("few", keys, expanding=True, literal_execute=True))
    return sa.select(*archive_lines.COLUMNS).where(few).order_by(JOBS.c.finished_ms, JOBS.c.key)


def _road(chosen: Filter) -> str:
    """The index of ends that has the fewest others in it."""
    named = (
        (chosen.stage, "jobs_failed_stage"),
        (chosen.fingerprint, "jobs_fingerprint"),
        (chosen.error_type, "jobs_error_type"),
        (chosen.function, "jobs_function"),
        (chosen.worker, "jobs_worker"),
        (chosen.queue, "jobs_queue"),
        (chosen.states[0] if len(chosen.states) == 1 else None, "jobs_state"),
        (chosen.tag, "jobs_tags"),
    )
    failed = chosen.status == "failed"
    usual = "jobs_failed" if failed else "jobs_time"
    if chosen.agent is not None:
        usual = "jobs_agent_failed" if failed else "jobs_agent"
    return next((road for name, road in named if name is not None), usual)
