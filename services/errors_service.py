"""Failures of a span by what they have in common: how many, since when, where, and one of them to look at.

They are counted along an index of failures alone, which holds all that they are narrowed and grouped by.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from core import keys
from core.database import DatabaseError
from core.site import Site
from services import error_types, fingerprints
from services.archive_schema import JOBS
from services.windows import DAY_S, HOUR_S, Window

Order = Literal["most", "newest"]
ORDERS: tuple[Order, ...] = ("most", "newest")
MOST_GROUPS = 50
"""On a page."""
MOST_PAGES = 1_000
MOST_NAMES = 20
"""Agents, queues or functions that are told of a group."""
COUNT_S = 10.0
"""How long counting may take; a million failures take about two seconds."""


@dataclass(frozen=True)
class Which:
    """Failures of these alone; what is left out narrows nothing."""

    agent: str | None = None
    queue: str | None = None
    function: str | None = None
    error_type: str | None = None


@dataclass(frozen=True)
class Named:
    """So many failures are of this one; `agent` is whose queue it is."""

    name: str
    failures: int
    agent: str | None = None


@dataclass(frozen=True)
class Example:
    """A job that failed so: the newest in the span. `message` is what its error says besides its type."""

    number: int
    id: str
    agent: str
    title: str | None
    queue: str | None
    function: str | None
    message: str


@dataclass(frozen=True)
class ErrorGroup:
    """Failures of one fingerprint. `message` is the last line of an example, with what changes from job to job levelled, without its
    type. `points` are the failures of each step of the span; `first_seen_ms` and `last_seen_ms` are of all that is archived."""

    fingerprint: str
    error_type: str | None
    message: str
    failures: int
    first_seen_ms: int
    last_seen_ms: int
    points: tuple[int, ...]
    agents: tuple[Named, ...]
    queues: tuple[Named, ...]
    functions: tuple[Named, ...]
    example: Example


@dataclass(frozen=True)
class Errors:
    """A page of the groups, MOST_GROUPS at most; `failures` and `kinds` count all of the span, those of other pages too."""

    failures: int
    kinds: int
    groups: tuple[ErrorGroup, ...]


@dataclass
class _Places:
    """How many failures each name has, most first once they are told."""

    agents: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    queues: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    functions: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def errors(site: Site, window: Window, which: Which = Which(), order: Order = "most", page: int = 1) -> Errors:
    """The groups of a page, which is a number from 1 on; none past the last. A second old, more only where counting takes long; none
    where nothing was archived yet. Raises DatabaseError."""
    return _kept(site, window, ("errors", which, order, page), lambda: _errors(site, window, which, order, page))


def group(site: Site, fingerprint: str, window: Window) -> ErrorGroup | None:
    """One group, as old as `errors` and also where none failed so in the span; None where the archive holds none at all. Raises DatabaseError."""
    found = _kept(site, window, ("error", fingerprint), lambda: _group(site, fingerprint, window))
    return found.groups[0] if found.groups else None


def _kept(site: Site, window: Window, asked: tuple[object, ...], compute: Callable[[], Errors]) -> Errors:
    """What takes long to count changes little in a while."""
    span_s = window.end - window.start
    most_s = 3 if span_s <= HOUR_S else 5 if span_s <= DAY_S else 60
    said = msgspec.json.encode((*asked, window))
    key = keys.ARCHIVE_FIGURES.at(0, hashlib.sha256(said).hexdigest()[:32])
    try:
        return site.cache.get_or_compute(key, most_s, compute, "errors", Errors, cheap_ttl_s=1)
    except DatabaseError as error:
        if error.bare:
            return Errors(0, 0, ())
        raise


def _group(site: Site, fingerprint: str, window: Window) -> Errors:
    with site.database.read(COUNT_S) as connection:
        newest = connection.execute(
            sa.select(sa.func.max(JOBS.c.finished_ms)).where(JOBS.c.fingerprint == fingerprint)
        ).scalar_one()
        if newest is None:
            return Errors(0, 0, ())
        (found,) = _groups(connection, window, Which(), {fingerprint: (0, newest)})
        failures = sum(found.points)
        return Errors(failures, 1, (replace(found, failures=failures),))


def _errors(site: Site, window: Window, which: Which, order: Order, page: int = 1) -> Errors:
    with site.database.read(COUNT_S) as connection:
        each = (
            sa.select(
                JOBS.c.fingerprint,
                sa.func.count().label("failures"),
                sa.func.max(JOBS.c.finished_ms).label("newest_ms"),
            )
            .where(*_fits(window, which))
            .group_by(JOBS.c.fingerprint)
            .subquery()
        )
        leads = (each.c.failures, each.c.newest_ms) if order == "most" else (each.c.newest_ms, each.c.failures)
        told = connection.execute(
            sa.select(
                *each.c,
                sa.func.count().over().label("kinds"),
                sa.cast(sa.func.sum(each.c.failures).over(), sa.BigInteger).label("all"),
            )
            .order_by(*(one.desc() for one in leads), each.c.fingerprint)
            .limit(MOST_GROUPS)
            .offset(MOST_GROUPS * (page - 1))
        ).all()
        if not told:
            return _past(connection, each) if page > 1 else Errors(0, 0, ())
        groups = _groups(connection, window, which, {row.fingerprint: (row.failures, row.newest_ms) for row in told})
        return Errors(told[0].all, told[0].kinds, tuple(groups))


def _past(connection: Connection, each: sa.Subquery) -> Errors:
    """How many there are, where a page is past the last."""
    failures = sa.cast(sa.func.coalesce(sa.func.sum(each.c.failures), 0), sa.BigInteger)
    return Errors(*connection.execute(sa.select(failures, sa.func.count()).select_from(each)).one(), ())


def _fits(window: Window, which: Which) -> list[ColumnElement[bool]]:
    return [
        JOBS.c.fingerprint.is_not(None),  # the word of the index; no job that did not fail has one
        JOBS.c.finished_ms >= window.start * 1000,
        JOBS.c.finished_ms < window.end * 1000,
        *_narrowed(which),
    ]


def _narrowed(which: Which) -> list[ColumnElement[bool]]:
    c = JOBS.c
    named = (
        (c.agent, which.agent),
        (c.queue, which.queue),
        (c.function, which.function),
        (c.error_type, which.error_type),
    )
    # `||` keeps databases from indexes of all jobs, which do not hold the rest.
    return [column + "" == name for column, name in named if name is not None]


def _groups(
    connection: Connection, window: Window, which: Which, counted: dict[str, tuple[int, int]]
) -> Iterable[ErrorGroup]:
    """In the order of `counted`: by fingerprint how many failed, and when the newest did, in ms."""
    fits = _fits(window, which)
    points = _points(connection, window, [*fits, JOBS.c.fingerprint.in_(list(counted))])
    # Along the index that holds the names; the one of fingerprints would have to look each of them up.
    places = _places(connection, [*fits, (JOBS.c.fingerprint + "").in_(list(counted))])
    ends = _ends(connection, which, {name: at for name, (_, at) in counted.items()})
    rows = _rows(connection, ends.values())
    for name, (failures, _) in counted.items():
        row, place = rows[ends[name].key], places[name]
        yield ErrorGroup(
            name,
            row.error_type,
            message_of(row.error_type, row.error),
            failures,
            ends[name].first_ms,
            ends[name].last_ms,
            points[name],
            _most((agent, many, None) for agent, many in place.agents.items()),
            _most((queue, many, agent) for (agent, queue), many in place.queues.items()),
            _most((function, many, None) for function, many in place.functions.items()),
            Example(
                row.number,
                row.id,
                row.agent,
                row.title,
                row.queue,
                row.function,
                error_types.said(row.error_type, row.error),
            ),
        )


def _points(connection: Connection, window: Window, fits: Sequence[ColumnElement[bool]]) -> dict[str, tuple[int, ...]]:
    step = (JOBS.c.finished_ms - window.start * 1000) // sa.literal_column(str(window.step_s * 1000), sa.BigInteger)
    found = defaultdict[str, list[int]](lambda: [0] * window.steps)
    counts = sa.select(JOBS.c.fingerprint, step, sa.func.count()).where(*fits).group_by(sa.text("1, 2"))
    for name, place, many in connection.execute(counts):
        found[name][int(place)] = many
    return defaultdict(lambda: (0,) * window.steps, {name: tuple(each) for name, each in found.items()})


def _places(connection: Connection, fits: Sequence[ColumnElement[bool]]) -> dict[str, _Places]:
    c = JOBS.c
    found = defaultdict[str, _Places](_Places)
    counts = sa.select(c.fingerprint, c.agent, c.queue, c.function, sa.func.count()).where(*fits)
    for name, agent, queue, function, many in connection.execute(counts.group_by(sa.text("1, 2, 3, 4"))):
        place = found[name]
        place.agents[agent] += many
        if queue is not None:
            place.queues[agent, queue] += many
        if function is not None:
            place.functions[function] += many
    return found


@dataclass(frozen=True)
class _Ends:
    """When failures of a fingerprint were seen first and last, in ms, and the key of the one that ended at a moment asked for."""

    first_ms: int
    last_ms: int
    key: int


def _ends(connection: Connection, which: Which, at_ms: dict[str, int]) -> dict[str, _Ends]:
    """Three steps along an index for each."""
    names = list(at_ms)
    c, each = JOBS.c, list[sa.Select[Any]]()
    for place, name in enumerate(names):
        of = c.fingerprint == name
        example = sa.select(sa.func.max(c.key)).where(of, c.finished_ms == at_ms[name], *_narrowed(which))
        ends = (sa.select(found(c.finished_ms)).where(of) for found in (sa.func.min, sa.func.max))
        each.append(sa.select(sa.literal(place), *(one.scalar_subquery() for one in (*ends, example))))
    return {names[place]: _Ends(*found) for place, *found in connection.execute(sa.union_all(*each))}


def _rows(connection: Connection, ends: Iterable[_Ends]) -> dict[int, Any]:
    """The examples, by key."""
    c = JOBS.c
    columns = (c.key, c.number, c.id, c.agent, c.title, c.queue, c.function, c.error_type, c.error)
    found = sa.select(*columns).where(c.key.in_([one.key for one in ends]))
    return {row.key: row for row in connection.execute(found)}


def _most(counted: Iterable[tuple[str, int, str | None]]) -> tuple[Named, ...]:
    ordered = sorted(counted, key=lambda one: (-one[1], one[0]))
    return tuple(Named(name, many, agent) for name, many, agent in ordered[:MOST_NAMES])


def message_of(error_type: str | None, error: str | None) -> str:
    """What an error says besides its type, with words in place of what changes; empty where it says nothing."""
    return fingerprints.levelled(error_types.said(error_type, error))
