"""Which queues, workers and schedules their pages show, and queues in which order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, urlencode

from core.problems import Problem
from services.queues_service import Queue

MOST_SOUGHT = 200
Sort = Literal["name", "waiting", "oldest", "failed", "rate"]
ORDERS: dict[Sort, Callable[[Queue], float]] = {
    "name": lambda queue: not queue.concerns,
    "waiting": lambda queue: -queue.depth,
    "oldest": lambda queue: inf if queue.oldest_ms is None else queue.oldest_ms,
    "failed": lambda queue: -queue.counts.get("failed", 0),
    "rate": lambda queue: -queue.per_minute,
}
"""What each sorts by, first first; those alike stay by name, behind those that need a look where nothing else is chosen."""


@dataclass(frozen=True)
class Sought:
    """`find` is a part of AGENT/NAME; `look` is whether only those are shown that need a look."""

    find: str = ""
    look: bool = False

    def fields(self) -> dict[str, str]:
        """Of its query, empty for what an address without one shows."""
        return {"find": self.find, "look": "1" if self.look else ""}

    def query(self, **changes: Any) -> str:
        """The query of this with changes; empty for what an address without one shows."""
        told = urlencode({name: value for name, value in replace(self, **changes).fields().items() if value})
        return f"?{told}" if told else ""


@dataclass(frozen=True)
class Asked(Sought):
    sort: Sort = "name"

    def fields(self) -> dict[str, str]:
        return {**super().fields(), "sort": self.sort if self.sort != "name" else ""}

    def of(self, queues: tuple[Queue, ...]) -> tuple[Queue, ...]:
        """Those of queues by name that this asks for, in its order."""
        chosen = [queue for queue in queues if queue.concerns or not self.look]
        return tuple(sorted(chosen, key=ORDERS[self.sort]))


def sought(args: Mapping[str, str]) -> Sought:
    """Raises Problem 422."""
    if args.get("look", "") not in ("", "1"):
        raise Problem(422, "Unprocessable field", "look should be 1, or left out.", field="look")
    return Sought(args.get("find", "").strip()[:MOST_SOUGHT], bool(args.get("look")))


def read(args: Mapping[str, str]) -> Asked:
    """Raises Problem 422."""
    sort = next((each for each in get_args(Sort) if each == (args.get("sort") or "name")), None)
    if sort is None:
        raise Problem(422, "Unprocessable field", f"sort should be one of {', '.join(get_args(Sort))}.", field="sort")
    narrowed = sought(args)
    return Asked(narrowed.find, narrowed.look, sort)


def fields_of(argument: str) -> dict[str, str]:
    """Of the query behind a part's colon."""
    return dict(parse_qsl(argument))
