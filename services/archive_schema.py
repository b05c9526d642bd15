"""The archive's tables, as this version reads and writes them. `migrations/` makes them, with indexes and a full-text search.

Times are milliseconds since the epoch, UTC.
"""

from __future__ import annotations

import re

from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, MetaData, SmallInteger, Table, Text

METADATA = MetaData()

JOBS = Table(
    "jobs",
    METADATA,
    # In the order of archiving. Numbers begin anew in a store that was emptied, so they are not enough to tell jobs apart.
    Column("key", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("number", BigInteger, nullable=False),
    Column("agent", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("title", Text),
    Column("queue", Text),
    Column("function", Text),
    Column("stage", Text),
    Column("failed_stage", Text),
    Column("message", Text),
    Column("error", Text),
    Column("progress", Float, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("started_ms", BigInteger),
    Column("finished_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    # Which powers of 1.1 the duration in ms lies between, as in services.job_series_service: quantiles of any group come of it.
    Column("bucket", SmallInteger, nullable=False),
    Column("video_id", Text),
    Column("episode_id", Text),
    Column("published", Boolean, nullable=False),
    Column("skew_s", Integer),
    # JSON: [[name, started ms, finished ms or 0], …], and the earlier attempts with theirs.
    Column("stages", Text, nullable=False),
    Column("attempts", Text, nullable=False),
    Column("metadata", Text),
    Column("result", Text),
    Column("worker", Text),
    # Words with a blank before, between and behind them, so that each is found whole.
    Column("tags", Text),
    Column("error_type", Text),
    # Of failures: what those have in common that differ only in details, by services.fingerprints.
    Column("fingerprint", Text),
    Column("state", Text),
    Column("engine", Text),
    Column("engine_id", Text),
    # From when it was enqueued to its start, where both are known.
    Column("wait_ms", BigInteger),
)

ARCHIVE = Table(
    "archive",
    METADATA,
    # The only row: which archive this is, drawn as its tables are made, how many jobs it holds, and when the last one came.
    Column("site", Text, primary_key=True),
    Column("jobs", BigInteger, nullable=False),
    Column("archived_ms", BigInteger),
)

_LACKING = re.compile(r"lacking:(\d{1,18}):(.*)", re.DOTALL)


def name_of_lacking(last: int, name: str) -> str:
    """What an archive is called whose rows up to this key lack what the store may know, until it was compared. That it is, its name has
    to be new."""
    return f"lacking:{last}:{name}"


def lacking(site: str) -> int:
    """The last key of what lacks something, by an archive's name; 0 for most."""
    found = _LACKING.match(site)
    return int(found[1]) if found else 0


def whole_name(site: str) -> str:
    """By which name the store knows an archive: the same once nothing is lacking any more, so that it is not compared for that."""
    found = _LACKING.match(site)
    return found[2] if found else site
