"""Search in the logs: newest first, by source, level, text and time, within a time of its own.

Lines stand in the order in which they came. Whole chunks are passed by that their heads rule out, and no chunk is taken
apart that does not hold the text.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from core import keys
from core.site import Site
from services import log_text
from services.log_chunks import Found, of_all, of_source
from services.log_model import LEVELS, Chunk, Head, Level, LineId, LogLine, of_job_list

BUDGET_S = 0.5
"""How long one search looks. It ends sooner where it has found what was asked for."""
MOST_CHARACTERS = 4 * 1024 * 1024
"""Of all messages of a page."""
SKEW_MS = 60_000
"""By how much the clocks of web process and store may differ."""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What is asked for. `level` means this one and those above, `q` is text in any case; times are seconds since the epoch, up to
    and without `until`. `before` and `after` are ids: older than the one, newer than the other. `job` is (agent, id): of that
    job's own lines."""

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
    of one search was over before it had found as many as were asked for. All that came back to `looked_back_to` (s) was looked
    at; None where that is all there is."""

    lines: tuple[LogLine, ...]
    next_cursor: LineId | None = None
    complete: bool = True
    looked_back_to: float | None = None


def search(site: Site, query: LogQuery) -> LogPage:
    """The newest lines that a query means, as far as its time goes. Raises redis.RedisError."""
    wanted = _Wanted(query)
    if query.job is not None:
        return _page(query, [line for line in of_job(site, *query.job) if wanted.line(line)])
    ends_at = time.monotonic() + BUDGET_S
    lines, characters, last = list[LogLine](), 0, None
    for found in _walk(site, query, wanted):
        for one in found:
            for line in wanted.lines(one):
                lines.append(line)
                characters += len(line.message)
                if len(lines) > query.limit or characters > MOST_CHARACTERS:
                    return _page(query, lines, full=True)
            last = one
        if time.monotonic() > ends_at and last is not None:
            at = LineId(last.ms, last.seq, 0)
            return LogPage(tuple(lines), at, complete=False, looked_back_to=last.ms / 1000)
    return _page(query, lines)


def of_job(site: Site, agent: str, id: str, limit: int = 500) -> tuple[LogLine, ...]:
    """The last lines of a job, newest first, however much else was logged since. Raises redis.RedisError."""
    kept: Any = site.store.raw.lrange(keys.LOG_JOB.at(0, f"{agent}/{id}"), -limit, -1)
    lines = []
    for element in reversed(kept):
        with suppress(ValueError):  # somebody else wrote it
            lines.append(of_job_list(element, agent, id))
    return tuple(lines)


def _walk(site: Site, query: LogQuery, wanted: _Wanted) -> Iterator[list[Found]]:
    newest = "+"
    if query.before is not None:
        ms, seq, place = query.before
        newest = f"{ms}-{seq}" if place or (ms, seq) == (0, 0) else f"({ms}-{seq}"  # the store knows nothing before 0-0
    oldest = "-"
    if query.since is not None:
        oldest = str(max(0, wanted.since_ms - SKEW_MS))
    if query.after is not None and (oldest == "-" or query.after.ms > int(oldest)):
        oldest = f"{query.after.ms}-{query.after.seq}"
    if query.source is None:
        return of_all(site.store, newest, oldest, wanted.head)
    return of_source(site.store, query.source, newest, oldest, wanted.head)


def _page(query: LogQuery, lines: list[LogLine], *, full: bool = False) -> LogPage:
    if len(lines) > query.limit or full:
        # The last one shows that there are more; where they are too long it is the last of this page.
        shown = lines[: query.limit]
        return LogPage(tuple(shown), shown[-1].id, True, shown[-1].id.ms / 1000)
    return LogPage(tuple(lines))


class _Wanted:
    """A query as it is asked of chunks and lines."""

    def __init__(self, query: LogQuery) -> None:
        self.query = query
        self.least = LEVELS.index(query.level) if query.level else 0
        self.since_ms = round(query.since * 1000) if query.since is not None else 0
        self.until_ms = round(query.until * 1000) if query.until is not None else 2**63
        self.needle = query.q.casefold()
        self.after = query.after or LineId(0, 0, -1)
        self.before = query.before or LineId(2**63, 0, 0)

    def head(self, head: Head) -> bool:
        """Whether a chunk may hold such lines."""
        return (
            bool(head.levels >> self.least)
            and head.until >= self.since_ms
            and head.since < self.until_ms
            and (self.query.source in (None, head.source, "other"))
        )

    def lines(self, found: Found) -> Iterator[LogLine]:
        """Such lines of a chunk, newest first."""
        try:
            chunk = found.chunk()
            if chunk is not None and (not self.needle or self.needle in _plain(chunk.text)):
                yield from self._lines(chunk)
        except ValueError:
            return  # a damaged chunk: the others are not affected

    def _lines(self, chunk: Chunk) -> Iterator[LogLine]:
        messages, levels, times = chunk.messages(), chunk.levels, chunk.times
        for place in range(len(messages) - 1, -1, -1):
            if levels[place] < self.least or not self.since_ms <= times[place] < self.until_ms:
                continue
            if self.needle and self.needle not in _plain(messages[place]):
                continue
            line = chunk.line(place, messages[place])
            if self.after < line.id < self.before:
                yield line

    def line(self, line: LogLine) -> bool:
        """Whether this is such a line."""
        return (
            LEVELS.index(line.level) >= self.least
            and self.since_ms <= line.at * 1000 < self.until_ms
            and self.query.source in (None, line.source)
            and self.after < line.id < self.before
            and self.needle in _plain(line.message)
        )


def _plain(text: str) -> str:
    return log_text.plain(text).casefold()
