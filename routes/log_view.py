"""What a viewer of log lines shows: the filter that its form and its address say, and the lines that this means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import cast
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import current_app

from core.problems import Problem
from core.times import rfc3339
from panels._log_rows import Render
from routes import site
from services import logs_service
from services.log_model import LEVELS, Level, LineId, LogLine, line_id
from services.logs_service import LogPage, LogQuery

RANGES = {"15m": 900, "1h": 3600, "6h": 6 * 3600, "24h": 86_400, "7d": 7 * 86_400}
LIMIT, LIMIT_COMPACT = 300, 100
MOST_MISSED = 500
MOST_TEXT = 200


@dataclass(frozen=True)
class Filter:
    """Which lines. `range` is how far back from now; `since`, which goes before it, and `until` are times in `zone`, as the form
    says them."""

    level: Level | None = None
    source: str = ""
    q: str = ""
    range: str = ""
    since: str = ""
    until: str = ""
    zone: str = ""
    before: LineId | None = None

    def query(self, **changes: object) -> str:
        """The query of this filter with changes; a change begins at the newest lines again."""
        kept = {name: getattr(self, name) for name in ("level", "source", "q", "range", "since", "until", "zone")}
        said = {name: str(value) for name, value in {**kept, **changes}.items() if value}
        if not (said.get("since") or said.get("until")):
            said.pop("zone", None)
        return f"?{urlencode(said)}" if said else ""

    @property
    def live(self) -> bool:
        """Whether lines that come now may belong to it."""
        return self.before is None and not self.until

    @property
    def narrows(self) -> bool:
        return bool(self.level or self.source or self.q or self.range or self.since or self.until)

    @property
    def alike(self) -> str:
        """The query that tells which of the lines that come now belong to it."""
        return Filter(self.level, self.source, self.q).query()

    @property
    def asked(self) -> LogQuery:
        """Raises Problem 422 for a time that can't be read."""
        span = RANGES.get(self.range)
        since = _moment("since", self.since, self.zone)
        if since is None and span:
            since = site().clock() - span
        return LogQuery(
            source=self.source or None,
            level=self.level,
            q=self.q,
            since=since,
            until=_moment("until", self.until, self.zone),
            before=self.before,
        )

    @property
    def download(self) -> str:
        """The query of the API that answers these lines as text."""
        asked = self.asked
        said = {
            "format": "text",
            "level": self.level,
            "source": self.source,
            "q": self.q,
            "since": rfc3339(asked.since) if asked.since is not None else None,
            "until": rfc3339(asked.until) if asked.until is not None else None,
        }
        return urlencode({name: value for name, value in said.items() if value})


@dataclass(frozen=True)
class View:
    """Lines as a viewer shows them, oldest first."""

    chosen: Filter
    rows: list[str]
    after: str
    """The id of the newest line of all, whether it is among these or not; empty where there is none."""
    older: LineId | None
    complete: bool
    looked_back_to: float | None


def read(query: Mapping[str, str]) -> Filter:
    """The filter that an address says. Raises Problem 422."""
    level, range_ = query.get("level") or None, query.get("range") or ""
    if level is not None and level not in LEVELS:
        raise _fault("level", f"one of {', '.join(LEVELS)}")
    if range_ and range_ not in RANGES:
        raise _fault("range", f"one of {', '.join(RANGES)}")
    before = query.get("before") or None
    chosen = Filter(
        level=level,
        source=(query.get("source") or "").strip()[:MOST_TEXT],
        q=(query.get("q") or "").strip().replace("\0", "")[:MOST_TEXT],
        range=range_,
        since=query.get("since") or "",
        until=query.get("until") or "",
        zone=query.get("zone") or "",
        before=line_id_of("before", before) if before else None,
    )
    _ = chosen.asked  # a time that can't be read is refused here
    return chosen


def line_id_of(name: str, text: str) -> LineId:
    """Raises Problem 422."""
    found = line_id(text)
    if found is None:
        raise _fault(name, "the id of a line, such as 1732185600000-0-12")
    return found


def render(lines: list[LogLine]) -> list[str]:
    return cast(Render, current_app.extensions["headway.log_rows"])(lines)


def view(chosen: Filter, limit: int = LIMIT) -> View:
    """The newest lines of a filter. Raises redis.RedisError."""
    newest = _newest() if chosen.live else None
    page = logs_service.search(site(), replace(chosen.asked, limit=limit))
    # A line that came between the two looks is among the second's, or does not belong.
    last = max((one for one in (newest, page.lines[0].id if page.lines else None) if one), default=None)
    return _view(chosen, page, str(last) if last and chosen.live else "")


def missed(chosen: Filter, after: LineId | None) -> tuple[LogPage, str]:
    """The newest lines of a filter behind a line, and the id of the newest line of all. Raises redis.RedisError."""
    newest = _newest()
    asked = replace(chosen.asked, after=after, limit=MOST_MISSED)
    page = logs_service.search(site(), asked)
    last = max((one for one in (newest, after, page.lines[0].id if page.lines else None) if one), default=None)
    return page, str(last) if last else ""


def _newest() -> LineId | None:
    found = logs_service.search(site(), LogQuery(limit=1)).lines
    return found[0].id if found else None


def _view(chosen: Filter, page: LogPage, after: str) -> View:
    rows = render(list(reversed(page.lines)))
    return View(chosen, rows, after, page.next_cursor, page.complete, page.looked_back_to)


def _moment(name: str, text: str, zone: str) -> float | None:
    """A time as a form says it, `2026-11-21T10:00`, in its zone; or one that tells its own."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=_zone(zone))
        return datetime.fromtimestamp(moment.timestamp(), UTC).timestamp()  # the years of UTC are 1 to 9999 too
    except (ValueError, OverflowError) as fault:
        raise _fault(name, "a time, such as 2026-11-21T10:00") from fault


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ValueError, OSError, KeyError) as fault:
        raise _fault("zone", "the name of a time zone, such as Europe/Berlin") from fault


def _fault(name: str, what: str) -> Problem:
    return Problem(422, "Unprocessable field", f"{name} should be {what}.", field=name)
