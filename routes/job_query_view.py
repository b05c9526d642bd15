"""A search for jobs as it stands in an address and on the page: read, said back in parts, and turned into links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from core.problems import Problem
from services import job_list_model, job_query
from services.job_list_model import Cursor
from services.job_query import KEYS, JobQuery, QueryFault
from services.job_rules import STATUSES

HERE = "/dashboard/jobs"
MOST_REF = 128
LABELS = {"id": "job", "error": "error type", "stage": "failed in", "after": "ended after", "before": "ended before"}
"""What a key is called where it is not by its own name."""


@dataclass(frozen=True)
class Part:
    """A part of a query as the page says it, and the address without it."""

    label: str
    value: str
    without: str


@dataclass(frozen=True)
class Asked:
    """Which jobs the list shows and where it begins, as its address says."""

    query: JobQuery
    before: Cursor | None = None
    after: Cursor | None = None
    held: Cursor | None = None
    """Where a first page goes on from, without what came since; somebody is in it."""

    def address(self, query: JobQuery | None = None, **places: Cursor | None) -> str:
        """What stands behind the page's path for this query or another one; it begins at the newest, or where `places` say."""
        said = {"q": str(self.query if query is None else query)}
        said |= {name: job_list_model.written(place) or "" for name, place in places.items()}
        kept = {name: text for name, text in said.items() if text}
        return f"?{urlencode(kept)}" if kept else ""

    @property
    def here(self) -> str:
        return self.address(before=self.before, after=self.after, held=self.held)

    @property
    def is_first(self) -> bool:
        return self.before is None and self.after is None

    @property
    def topics(self) -> tuple[str, ...]:
        """What the list changes with; a list that the archive is asked for is looked at again at its own pace."""
        if self.query.is_of_ends or self.query.id:
            return ()
        return tuple(f"agent:{agent}" for agent in self.query.agent) or ("jobs",)

    @property
    def leads(self) -> bool:
        """Whether what is active stands above the list: it does where that begins with the newest of any status, of one agent or of all."""
        return self.is_first and len(self.query.agent) < 2 and not self.query.without("agent")

    @property
    def is_of_all(self) -> bool:
        """Whether an action can be meant for all that match: for what the store's indexes tell."""
        return bool(self.query) and not (self.query.is_of_ends or self.query.id or self.query.text)

    def of_status(self, status: str | None) -> str:
        query = replace(self.query, status=(status,) if status in STATUSES else (), state=())
        return self.address(replace(query, state=(status,)) if status and status not in STATUSES else query)

    def has_status(self, status: str | None) -> bool:
        said = (*self.query.status, *self.query.state)
        return said == ((status,) if status else ())

    @property
    def parts(self) -> tuple[Part, ...]:
        parts = [
            Part(LABELS.get(key, key), value, self.address(self.query.without(key, value)))
            for key in KEYS
            for value in self.query.values(key)
        ]
        if self.query.text:
            parts.append(Part("text", self.query.text, self.address(self.query.without("text"))))
        return tuple(parts)


def read(args: Mapping[str, str]) -> Asked:
    """Of an address; `status` and `agent` narrow like their keys in `q`. Raises QueryFault, and Problem 400 for other parts."""
    query = job_query.parse(args.get("q", "").strip())
    status, agent = args.get("status") or None, (args.get("agent") or "").strip()[:MOST_REF]
    if status is not None and status not in STATUSES:
        raise Problem(400, "Unknown status", f"status should be one of {', '.join(STATUSES)}.")
    if status is not None:
        query = replace(query, status=(status,))
    if agent:
        query = replace(query, agent=(agent,))
    before, after = _cursor("before", args.get("before")), _cursor("after", args.get("after"))
    held = _cursor("held", args.get("held")) if before is None and after is None else None
    return Asked(query, before, None if before is not None else after, held)


def readable(text: str) -> JobQuery:
    """What can be read of a text of which not all can: each word with a fault is left out."""
    text = text[: job_query.MOST_QUERY]
    for _ in range(len(text)):
        try:
            return job_query.parse(text)
        except QueryFault as fault:
            begin = text.rfind(" ", 0, fault.at) + 1
            text = text[:begin] + text[fault.at + fault.length :].partition(" ")[2]
    return JobQuery()


def _cursor(name: str, text: str | None) -> Cursor | None:
    if text is None:
        return None
    try:
        return job_list_model.read(text)
    except ValueError as fault:
        raise Problem(400, "Unknown page", f"{name} should be a page's cursor. Begin at the newest: {HERE}") from fault


def unreadable(fault: QueryFault) -> Problem:
    """What a program is told of a query that can't be read."""
    place = f" (at character {fault.at + 1})"
    return Problem(422, "Unreadable search", f"q{place}: {fault}", field="q", at=fault.at, length=fault.length)
