"""Figures of archived jobs by what they have in common: how many there were, how they ended, and how long they took."""

from __future__ import annotations

import hashlib
import math
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Select

from core import keys
from core.database import DatabaseError, Kind
from core.site import Site
from core.times import rfc3339
from services import archive_filter
from services.analytics_service import success_rate
from services.archive_filter import Condition, Filter
from services.archive_schema import JOBS
from services.job_series_service import BUCKETS, Times, percentile

By = Literal["agent", "queue", "function", "worker", "error", "stage", "outcome", "hour"]
BYS: tuple[By, ...] = ("agent", "queue", "function", "worker", "error", "stage", "outcome", "hour")
MOST_GROUPS = 100
MOST_HOURS = 31 * 24
FIGURES_S = 10.0
AT_ONCE = 2
"""So many a process reckons at a time: each may go through all that is archived."""
PATIENCE_S = 5.0
"""How long others wait for their turn."""
KEPT_S = 60
HOUR_MS = 3_600_000
BUCKET = math.log(BUCKETS)

_slots = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True)
class Group:
    """Jobs that ended, or runs of a stage. `name` is None where there is none to tell, for an hour it is when it began (RFC 3339).

    `waited_mean_s` is from creation to start; of a stage's runs it is None. `success_rate` is a percentage.
    """

    name: str | None
    jobs: int
    completed: int
    failed: int
    success_rate: float | None
    took: Times
    waited_mean_s: float | None


@dataclass(frozen=True)
class Figures:
    """The groups with the most jobs, most first, hours in their order; `other` sums those past MOST_GROUPS."""

    by: By
    groups: tuple[Group, ...]
    other: Group | None


@dataclass
class _Sums:
    completed: int = 0
    failed: int = 0
    took_ms: int = 0
    waited_ms: int = 0
    started: int = 0
    buckets: dict[int, int] = field(default_factory=lambda: defaultdict(int))


def figures(site: Site, chosen: Filter, by: By) -> Figures:
    """Up to a minute old; none where nothing was archived yet. Raises DatabaseError, also where others are before these for long."""
    said = msgspec.json.encode((by, chosen))
    key = keys.ARCHIVE_FIGURES.at(0, hashlib.sha256(said).hexdigest()[:32])
    try:
        return site.cache.get_or_compute(key, KEPT_S, lambda: _figures(site, chosen, by), "archive-figures", Figures)
    except DatabaseError as error:
        if error.bare:
            return Figures(by, (), None)
        raise


def _figures(site: Site, chosen: Filter, by: By) -> Figures:
    kind = site.database.kind
    told = _runs(chosen, kind) if by == "stage" else _ends(chosen, kind, by)
    if not _slots.acquire(timeout=PATIENCE_S):
        raise DatabaseError(f"it reckons {AT_ONCE} other figures, which take long")
    try:
        with site.database.read(FIGURES_S) as connection:
            sums = _summed(connection, told, by)
    finally:
        _slots.release()
    ordered = (
        sorted(sums.items(), key=lambda one: one[0] or "")
        if by == "hour"
        else sorted(sums.items(), key=lambda one: (-(one[1].completed + one[1].failed), one[0] or ""))
    )
    groups = tuple(_group(_name(name, by), each, by) for name, each in ordered if name is not None)
    return Figures(by, groups, _group(None, sums[None], by) if None in sums else None)


def _ends(chosen: Filter, kind: Kind, by: By) -> Select[Any]:
    """A row a job: its group, and what is summed of it."""
    c = JOBS.c
    names: dict[By, ColumnElement[Any]] = {
        "agent": c.agent,
        "queue": sa.func.coalesce(c.queue, ""),
        "function": sa.func.coalesce(c.function, ""),
        "worker": sa.func.coalesce(c.worker, ""),
        "error": sa.func.coalesce(c.error_type, ""),
        "outcome": c.status,
        "hour": c.finished_ms - c.finished_ms % HOUR_MS,
    }
    return sa.select(
        names[by].label("name"),
        (c.status == "failed").label("failed"),
        c.bucket,
        c.duration_ms.label("took_ms"),
        # What never began waited until its end, and for nothing: that is no wait that others may expect.
        sa.case((c.started_ms.is_not(None), sa.func.coalesce(c.wait_ms, c.started_ms - c.created_ms))).label(
            "waited_ms"
        ),
    ).where(
        *archive_filter.conditions(chosen, kind),
        *_counted(chosen),
        *(
            [c.status == "failed"] if by == "error" else []
        ),  # what did well has no error, and would be the largest group
    )


def _counted(chosen: Filter) -> tuple[Condition, ...]:
    """Leaves out what ended on purpose, as all rates do, where nobody asks for it."""
    return () if chosen.states else archive_filter.counted()


def _runs(chosen: Filter, kind: Kind) -> Select[Any]:
    """A row a run of a stage that ended: a job may go through one several times. It failed where its job failed in it, in the end."""
    c = JOBS.c
    name: Any
    began: Any
    ended: Any
    last: Any
    if kind == "postgresql":
        each = sa.func.json_array_elements(sa.cast(c.stages, sa.JSON)).table_valued("value")
        name, began, ended = (each.c.value.op("->>")(place) for place in range(3))
        last = sa.cast(c.stages, sa.JSON).op("#>>")(sa.literal_column("'{-1,1}'"))
    else:
        each = sa.func.json_each(c.stages).table_valued("value")
        name, began, ended = (sa.func.json_extract(each.c.value, f"$[{place}]") for place in range(3))
        last = sa.func.json_extract(c.stages, "$[#-1][1]")
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    took = sa.cast(ended, number) - sa.cast(began, number)
    bucket = sa.cast(sa.func.floor(sa.func.ln(sa.cast(sa.case((took > 1, took), else_=1), sa.Double)) / BUCKET), number)
    return (
        sa.select(
            name.label("name"),
            sa.func.coalesce(sa.and_(c.status == "failed", c.failed_stage == name, last == began), sa.false()).label(
                "failed"
            ),
            bucket.label("bucket"),
            sa.case((took > 0, took), else_=0).label("took_ms"),
            sa.cast(sa.null(), number).label("waited_ms"),
        )
        .select_from(JOBS.join(each, sa.true()))
        .where(*archive_filter.conditions(chosen, kind), *_counted(chosen), sa.cast(ended, number) > 0)
    )


def _summed(connection: Connection, told: Select[Any], by: By) -> dict[Any, _Sums]:
    """By name; under None what is past the most."""
    rows = told.subquery("told")
    name: ColumnElement[Any] = rows.c.name
    if by != "hour":
        most = sa.select(name).group_by(name).order_by(sa.func.count().desc(), name).limit(MOST_GROUPS)
        named = list(connection.execute(most).scalars())
        name = sa.case((name.in_(named), name), else_=None) if len(named) == MOST_GROUPS else name
    grouped = sa.select(
        name.label("name"),
        rows.c.failed,
        rows.c.bucket,
        sa.func.count().label("jobs"),
        sa.func.sum(rows.c.took_ms).label("took_ms"),
        sa.func.count(rows.c.waited_ms).label("started"),
        sa.func.sum(rows.c.waited_ms).label("waited_ms"),
    ).group_by(sa.text("1, 2, 3"))
    found = defaultdict[Any, _Sums](_Sums)
    for row in connection.execute(grouped):
        sums = found[row.name]
        sums.failed += row.jobs if row.failed else 0
        sums.completed += 0 if row.failed else row.jobs
        sums.buckets[int(row.bucket)] += row.jobs
        sums.took_ms += int(row.took_ms or 0)
        sums.started += row.started
        sums.waited_ms += int(row.waited_ms or 0)
    return found


def _group(name: str | None, sums: _Sums, by: By) -> Group:
    jobs, buckets = sums.completed + sums.failed, sorted(sums.buckets.items())
    mean = round(sums.took_ms / jobs / 1000, 3) if jobs else None
    return Group(
        name,
        jobs,
        sums.completed,
        sums.failed,
        success_rate(sums.completed, sums.failed),
        Times(percentile(buckets, 0.5), percentile(buckets, 0.95), mean),
        round(max(sums.waited_ms, 0) / sums.started / 1000, 3) if sums.started and by != "stage" else None,
    )


def _name(name: Any, by: By) -> str | None:
    return rfc3339(name / 1000) if by == "hour" else name or None
