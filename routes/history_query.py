"""Which archived jobs a request asks for: the same names on the history page, in the API, and for exports and figures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from core.database import DatabaseError
from core.problems import Problem
from services.archive_filter import OUTCOMES, STATES, Filter
from services.archive_search import Place
from services.archive_words import MOST_TEXT
from services.job_rules import State

MOST_NAME = 200
LATEST_MS = 253_402_000_000_000
"""A few days before the year 10,000, so that every zone has it."""
LONGEST_S = 10 * 365 * 86_400.0
_SECONDS = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)
_DURATION = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
_PLACE = re.compile(r"(\d{1,15})\.(\d{1,18})", re.ASCII)


@dataclass(frozen=True)
class Asked:
    """A filter as it stands in an address; what is empty narrows nothing. `from_` and `to` are times in `zone`, or tell their own."""

    q: str = ""
    status: str = ""
    agent: str = ""
    queue: str = ""
    function: str = ""
    stage: str = ""
    from_: str = ""
    to: str = ""
    zone: str = ""
    min_s: str = ""
    max_s: str = ""
    job: str = ""
    worker: str = ""
    error_type: str = ""
    tag: str = ""
    state: str = ""
    fingerprint: str = ""

    def query(self, **changes: object) -> str:
        """The query of this filter with changes. It names no page: a change of filter begins at the newest again."""
        kept = {each.name: getattr(self, each.name) for each in fields(self)}
        said = {name.rstrip("_"): str(value) for name, value in {**kept, **changes}.items() if value}
        if not ("from" in said or "to" in said):
            said.pop("zone", None)
        return f"?{urlencode(said)}" if said else ""

    @property
    def narrows(self) -> bool:
        return bool(self.query())

    @property
    def filter(self) -> Filter:
        """Raises Problem 422 for what can't be read."""
        if self.status and self.status not in OUTCOMES:
            raise _fault("status", f"one of {', '.join(OUTCOMES)}, which are the ends of a job")
        since_ms, until_ms = _moment("from", self.from_, self.zone), _moment("to", self.to, self.zone)
        if since_ms is not None and until_ms is not None and since_ms >= until_ms:
            raise _fault("from", "before to")
        least_ms, most_ms = _milliseconds("min_s", self.min_s), _milliseconds("max_s", self.max_s)
        if least_ms is not None and most_ms is not None and least_ms > most_ms:
            raise _fault("min_s", "at most max_s")
        return Filter(
            text=self.q,
            status=next((each for each in OUTCOMES if each == self.status), None),
            agent=self.agent or None,
            queue=self.queue or None,
            function=self.function or None,
            stage=self.stage or None,
            since_ms=since_ms,
            until_ms=until_ms,
            least_ms=least_ms,
            most_ms=most_ms,
            job=self.job or None,
            worker=self.worker or None,
            error_type=self.error_type or None,
            tag=self.tag or None,
            states=_states(self.state),
            fingerprint=self.fingerprint or None,
        )


def read(query: Mapping[str, str]) -> Asked:
    """Raises Problem 422."""
    said = {each.name: _said(each.name.rstrip("_"), query) for each in fields(Asked)}
    asked = Asked(**{**said, "q": said["q"][:MOST_TEXT]})
    try:
        ZoneInfo(asked.zone or "UTC")
    except (ValueError, OSError, KeyError) as fault:
        raise _fault("zone", "the name of a time zone, such as Europe/Berlin") from fault
    _ = asked.filter  # what can't be read is refused here
    return asked


def place(name: str, text: str | None) -> Place | None:
    """Where a page begins, as `written` has it. Raises Problem 422."""
    if not text:
        return None
    found = _PLACE.fullmatch(text)
    if not found:
        raise _fault(name, "a cursor that an answer gave: leave it out to begin at the newest")
    return int(found[1]), int(found[2])


def written(place: Place | None) -> str | None:
    return None if place is None else f"{place[0]}.{place[1]}"


def unavailable(error: DatabaseError) -> Problem:
    """What a program is told while the archive can't be asked."""
    advice = " Narrow the search: a shorter time, an agent, more words." if error.late else ""
    return Problem(
        503,
        "Search took too long" if error.late else "Archive unavailable",
        f"The archive of finished jobs can't be asked, because {error}.{advice} Live jobs are not affected.",
        headers={"Retry-After": "5"},
    )


def _said(name: str, query: Mapping[str, str]) -> str:
    text = query.get(name, "")
    # PostgreSQL keeps no NUL, and nobody a half of a pair.
    said = text.replace("\0", "").encode("utf-8", "replace").decode().strip()[:MOST_NAME].rstrip()
    if text and not said and name != "q":  # All jobs are not what is meant. Of a search without words the page says so.
        raise _fault(name, "more than blanks: leave it out to narrow nothing")
    return said


def _states(text: str) -> tuple[State, ...]:
    """One or several with commas between them, in any case."""
    said = [each for word in text.lower().split(",") if (each := word.strip())]
    if (text and not said) or not set(said) <= set(STATES):
        raise _fault("state", f"one or several of {', '.join(STATES)}, with commas between them")
    return tuple(state for state in STATES if state in said)


def _moment(name: str, text: str, zone: str) -> int | None:
    """Milliseconds since the epoch."""
    if not text:
        return None
    if _SECONDS.fullmatch(text):
        return min(round(float(text) * 1000), LATEST_MS)
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=ZoneInfo(zone or "UTC"))
        return min(max(round(moment.timestamp() * 1000), 0), LATEST_MS)
    except (ValueError, OverflowError) as fault:
        raise _fault(name, "a time, such as 2026-11-21T10:00:00Z, or seconds since the epoch") from fault


def _milliseconds(name: str, text: str) -> int | None:
    if not text:
        return None
    if not (_DURATION.fullmatch(text) and float(text) <= LONGEST_S):
        raise _fault(name, "a number of seconds, such as 90 or 0.5")
    return round(float(text) * 1000)


def _fault(name: str, what: str) -> Problem:
    return Problem(422, "Unprocessable field", f"{name} should be {what}.", field=name)
