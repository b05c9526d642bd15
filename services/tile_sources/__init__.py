"""Where the value of a tile comes from: `read(source, context)`. Each file reads one kind; READERS is the table of kinds.

A reader is `read(source, context) -> int | float | None`: None where the source says that there is no value. It raises SourceError
and NotYet of `tile_sources.reading`, keeps within `context.timeout_s`, and does what blocks natively off gevent's loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.config import sources
from core.outgoing import OutgoingError
from services.tile_sources import http, jobs, metrics, prometheus, redis, sql
from services.tile_sources.reading import Context, NotYet, SourceError, number

__all__ = ["READERS", "Context", "NotYet", "SourceError", "number", "read"]

Reader = Callable[[Any, Context], int | float | None]

READERS: Mapping[type[sources.Source], Reader] = {
    sources.Jobs: jobs.read,
    sources.Redis: redis.read,
    sources.Sql: sql.read,
    sources.Prometheus: prometheus.read,
    sources.Metrics: metrics.read,
    sources.Http: http.read,
}


def read(source: sources.Source, context: Context) -> int | float | None:
    """The present value, finite; None where there is none. Raises SourceError, NotYet."""
    try:
        value = READERS[type(source)](source, context)
    except OutgoingError as fault:
        raise SourceError(str(fault)) from fault
    return None if value is None else number(value, "the value")
