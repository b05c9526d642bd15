"""Logs: lines come in here, and are read here again. Bounded by age and bytes, a stream a source. What the store raises passes
through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.site import Site
from services.log_model import Level, LineId, LogLine, NewLine, as_json, line_id

MOST_FOUND = 1_000
"""Lines of one answer of a search."""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What is asked for. `level` means this one and those above, `q` is text in any case; times are seconds since the epoch.
    `before` and `after` are ids: older than the one, newer than the other. `job` is (agent, id): of that job's own lines."""

    source: str | None = None
    level: Level | None = None
    q: str = ""
    job: tuple[str, str] | None = None
    since: float | None = None
    until: float | None = None
    before: LineId | None = None
    after: LineId | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class LogPage:
    """Lines, newest first. Where `next_cursor` is not None there may be more before that. `complete` is False where the time
    for one search was over before so many lines were found as were asked for; all back to `looked_back_to` (s) was looked at."""

    lines: tuple[LogLine, ...]
    next_cursor: LineId | None
    complete: bool
    looked_back_to: float | None


@dataclass(frozen=True, slots=True)
class LogSource:
    """A source that has lines; `at` is when the last one came, in seconds since the epoch."""

    name: str
    lines: int
    bytes: int
    at: float


def append(site: Site, lines: Sequence[NewLine], frame: str | None = None) -> bool:
    """Store all of them, or none; False where a frame of this name was stored before. Raises redis.RedisError."""
    raise NotImplementedError


def search(site: Site, query: LogQuery) -> LogPage:
    """The newest lines that a query means. Raises redis.RedisError."""
    raise NotImplementedError


def of_job(site: Site, agent: str, id: str, limit: int = 500) -> tuple[LogLine, ...]:
    """The last lines of a job, newest first, however old the rest of the logs is. Raises redis.RedisError."""
    raise NotImplementedError


def sources(site: Site) -> tuple[LogSource, ...]:
    """The sources that have lines, by name. Raises redis.RedisError."""
    raise NotImplementedError


__all__ = [
    "Level", "LineId", "LogLine", "LogPage", "LogQuery", "LogSource", "NewLine", "append", "as_json", "line_id", "of_job",
    "search", "sources",
]  # fmt: skip
