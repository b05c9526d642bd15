"""Which archived jobs are meant, and what that is in SQL. Whatever reads the archive takes the same filter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import ColumnElement

from core.database import Kind
from services import archive_words
from services.archive_schema import JOBS
from services.archive_words import Sought
from services.brokers.model import STATUS_OF
from services.job_rules import FINAL, UNCOUNTED, State

Outcome = Literal["completed", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("completed", "failed")
STATES: tuple[State, ...] = tuple(state for state, status in STATUS_OF.items() if status in FINAL)
"""In which jobs of engines end."""
LARGEST_NUMBER = 2**53

Condition = ColumnElement[bool]


class TSQuery(sa.types.UserDefinedType[str]):
    """PostgreSQL's type of a text that is searched by."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "tsquery"


@dataclass(frozen=True)
class Filter:
    """What is left out narrows nothing. Times are ends in ms since the epoch, from `since_ms` on and before `until_ms`; durations in
    ms, both bounds among them; `job` is a number or an id, `stage` that in which it failed, of several `states` any. The status
    `failed` leaves out what was ended on purpose, unless states are named."""

    text: str = ""
    status: Outcome | None = None
    agent: str | None = None
    queue: str | None = None
    function: str | None = None
    stage: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    least_ms: int | None = None
    most_ms: int | None = None
    job: str | None = None
    worker: str | None = None
    error_type: str | None = None
    fingerprint: str | None = None
    states: tuple[State, ...] = ()
    tag: str | None = None

    @cached_property
    def sought(self) -> Sought:
        return archive_words.read(self.text)


@dataclass(frozen=True)
class Parts:
    """A filter's conditions, all but its text."""

    roads: tuple[tuple[Condition, ...], ...]
    """Each is what an index of ends holds besides; an empty one is the index of all ends."""
    times: tuple[Condition, ...]
    selective: tuple[Condition, ...]
    """What an index other than those of ends finds."""
    others: tuple[Condition, ...]
    sought: Sought

    @property
    def all(self) -> tuple[Condition, ...]:
        return (*(one for road in self.roads for one in road), *self.times, *self.selective, *self.others)

    @property
    def is_road_alone(self) -> bool:
        return len(self.roads) == 1 and not (self.selective or self.others or self.sought)


def parts(chosen: Filter) -> Parts:
    c = JOBS.c
    # Words stand in the statement, since indexes of failures alone are found by them.
    failed: tuple[Condition, ...] = ()
    if chosen.status == "failed":
        failed = (c.status == sa.literal_column("'failed'"), *(() if chosen.states else counted()))
    named = (
        (c.failed_stage, chosen.stage),
        (c.fingerprint, chosen.fingerprint),
        (c.error_type, chosen.error_type),
        (c.function, chosen.function),
        (c.worker, chosen.worker),
        (c.queue, chosen.queue),
        (c.state, chosen.states[0] if len(chosen.states) == 1 else None),
    )
    roads: list[tuple[Condition, ...]] = [(column == name,) for column, name in named if name is not None]
    if chosen.tag is not None:
        roads.append((c.tags.is_not(None),))
    if chosen.agent is not None:
        roads.append((c.agent == chosen.agent, *failed))
    elif failed or not roads:
        roads.append(failed)
    others: list[Condition] = [c.status == sa.literal_column("'completed'")] if chosen.status == "completed" else []
    if chosen.tag is not None:
        others.append(sa.func.replace(c.tags, f" {chosen.tag} ", "") != c.tags)
    return Parts(tuple(roads), tuple(_times(chosen)), tuple(_selective(chosen)), tuple(others), chosen.sought)


def counted() -> tuple[Condition, ...]:
    """Leaves out what was ended on purpose."""
    # As the indexes of failures have it, and as no index of states would be taken for.
    state = sa.func.coalesce(JOBS.c.state, sa.literal_column("''"))
    return tuple(state != sa.literal_column(f"'{each}'") for each in UNCOUNTED)


def conditions(chosen: Filter, kind: Kind) -> list[Condition]:
    """All of a filter."""
    found = parts(chosen)
    return [*found.all, *text(found.sought, kind)]


def text(sought: Sought, kind: Kind, lowest: int | None = None, highest: int | None = None) -> list[Condition]:
    """What a text means; none where it says nothing. `lowest` and `highest` bound the keys that SQLite looks through."""
    if not sought:
        return []
    if kind == "postgresql":
        return [sa.literal_column("search").op("@@")(sa.cast(archive_words.tsquery(sought), TSQuery))]
    wanted = archive_words.fts5(sought.wanted)
    found = [JOBS.c.key.in_(_matching(wanted, lowest, highest))] if wanted else []
    return found + excluding(sought, lowest, highest)


def excluding(sought: Sought, lowest: int | None = None, highest: int | None = None) -> list[Condition]:
    """What may not be there, for SQLite."""
    excluded = archive_words.fts5(sought.excluded, "OR")
    return [JOBS.c.key.not_in(_matching(excluded, lowest, highest))] if excluded else []


def matching(sought: Sought, most: int) -> sa.Select[Any]:
    """The first keys, at most so many, that SQLite's index finds for what is wanted."""
    return _matching(archive_words.fts5(sought.wanted), None, None).limit(most)


def _matching(query: str, lowest: int | None, highest: int | None) -> sa.Select[Any]:
    rowid = sa.literal_column("rowid", sa.Integer)
    found = sa.select(rowid).select_from(sa.table("jobs_text")).where(sa.literal_column("jobs_text").op("MATCH")(query))
    return found if lowest is None else found.where(rowid.between(lowest, highest))


def _times(chosen: Filter) -> Iterable[Condition]:
    if chosen.since_ms is not None:
        yield JOBS.c.finished_ms >= chosen.since_ms
    if chosen.until_ms is not None:
        yield JOBS.c.finished_ms < chosen.until_ms


def _selective(chosen: Filter) -> Iterable[Condition]:
    if chosen.job is not None:
        yield named(chosen.job)
    if len(chosen.states) > 1:  # along the index of states they would have to be put in order
        yield JOBS.c.state.in_([sa.literal(state) for state in chosen.states])
    bounds = ((chosen.least_ms, JOBS.c.duration_ms.__ge__), (chosen.most_ms, JOBS.c.duration_ms.__le__))
    if both := [holds(bound) for bound, holds in bounds if bound is not None]:
        yield sa.and_(*both)


def named(text: str) -> Condition:
    """The job of a number (`17`, `#17`) or an id."""
    digits = text.removeprefix("#")
    if digits.isascii() and digits.isdigit() and len(digits) <= 16 and int(digits) <= LARGEST_NUMBER:
        return JOBS.c.number == int(digits)  # no id is of digits alone
    return JOBS.c.id == text
