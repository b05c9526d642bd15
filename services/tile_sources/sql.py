"""The number that one statement answers, in PostgreSQL or SQLite."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from urllib.parse import unquote

from core import native
from core.config.sources import Sql
from services.tile_sources.reading import Context, SourceError, number

SQLITE = "sqlite:///"


def read(source: Sql, context: Context) -> int | float | None:
    """The first column of the first row; None where that is NULL. Raises SourceError."""
    # Loaded by who asks a database: the drivers cost each process a tenth of its start and of its memory.
    from services.tile_sources import _postgresql, _sqlite

    url = source.url or context.site.settings.database_url or ""
    if url.startswith(SQLITE):
        row = native.run(_sqlite.first_row, unquote(url.removeprefix(SQLITE)), source.query, context.timeout_s)
    else:
        row = _postgresql.first_row(url, source.query, context.timeout_s)
    if row is None:
        raise SourceError("the statement answers no row")
    return None if row[0] is None else number(_plain(row[0]), "what the statement answers")


def _plain(value: object) -> object:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return float(value) if isinstance(value, Decimal) else value
