"""Which failures a request asks for: the same names on the page of errors and in the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from core.problems import Problem
from panels import Choice
from routes import ranges
from services.errors_service import MOST_PAGES, ORDERS, Order, Which
from services.windows import RANGES

DEFAULT_RANGE = "24h"
MOST_NAME = 200
_USUAL = Choice(DEFAULT_RANGE)


@dataclass(frozen=True)
class Asked:
    """A span, and what narrows it. `choice` names the agent too."""

    choice: Choice = _USUAL
    queue: str | None = None
    function: str | None = None
    type: str | None = None
    sort: Order = "most"
    page: int = 1

    @property
    def which(self) -> Which:
        return Which(self.choice.agent, self.queue, self.function, self.type)

    @property
    def named(self) -> tuple[tuple[str, str], ...]:
        """What narrows it, by name."""
        named = (
            ("agent", self.choice.agent), ("queue", self.queue), ("function", self.function), ("type", self.type),
        )  # fmt: skip
        return tuple((name, value) for name, value in named if value)

    def query(self, **changes: Any) -> str:
        """The query of this with changes: `range` is a name of RANGES, and what changes but `page` leads to the first page. Empty for
        what an address without one shows."""
        changes = {"page": 1, **changes} if changes else {}
        choice = replace(self.choice, agent=changes.pop("agent", self.choice.agent))
        if name := changes.pop("range", None):
            choice = choice.but(over=name)
        said = replace(self, choice=choice, **changes)
        if said == Asked():
            return ""
        span = [field for field in choice.fields if field[0] != "agent" and field != ("range", DEFAULT_RANGE)]
        sort = [("sort", said.sort)] if said.sort != "most" else []
        page = [("page", str(said.page))] if said.page > 1 else []
        return f"?{urlencode([*span, *said.named, *sort, *page], safe=':')}"


def read(args: Mapping[str, str]) -> Asked:
    """Raises Problem 422."""
    over = args.get("range") or DEFAULT_RANGE
    if over not in RANGES:
        raise _fault("range", f"one of {', '.join(RANGES)}")
    order = next((each for each in ORDERS if each == (args.get("sort") or "most")), None)
    if order is None:
        raise _fault("sort", f"one of {', '.join(ORDERS)}")
    page = args.get("page") or "1"
    if not (page.isascii() and page.isdigit() and len(page) <= 4 and 1 <= int(page) <= MOST_PAGES):
        raise _fault("page", f"a number from 1 to {MOST_PAGES}")
    names = {name: _name(name, args) for name in ("queue", "function", "type")}
    return Asked(Choice(ranges.span(args) or over, agent=ranges.whose(args)), **names, sort=order, page=int(page))


def of_argument(argument: str) -> Asked:
    """What the query behind a part's colon asks for. Raises Problem 422."""
    return read(dict(parse_qsl(argument)))


def _name(name: str, args: Mapping[str, str]) -> str | None:
    # PostgreSQL keeps no NUL, and nobody a half of a pair.
    return args.get(name, "").replace("\0", "").encode("utf-8", "replace").decode().strip()[:MOST_NAME] or None


def _fault(name: str, what: str) -> Problem:
    return Problem(422, "Unprocessable field", f"{name} should be {what}.", field=name)
