"""A page of archived jobs, the newest end first, found as fast for rare words as for common ones.

A filter is met in one of two ways. Its jobs are gathered by the indexes and sorted: best where they are few. Or jobs are
walked through from the newest on, along an index of times, until enough of them fit: best where many do. How many there
are is not known, so the walk goes in steps that grow, and ends in gathering where the database's estimate says that this
costs less than the next step. So neither a wrong estimate nor jobs that all ended long ago cost much more than the better way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from core.database import DatabaseError, Kind
from core.site import Site
from services import archive_filter, archive_rows
from services.archive_filter import Condition, Filter, Parts
from services.archive_rows import ArchivedJob
from services.archive_schema import JOBS

STEP = 8_000
"""Jobs that are walked through at first."""
GROWTH = 4
GATHERED = 4
"""What a job costs that is gathered, in jobs that are walked past: it may lie anywhere."""
MOST_PROBED = 5_000
"""Up to here SQLite, which estimates nothing, counts."""

Place = tuple[int, int]
"""When a job ended, in ms, and its key: where it stands in a list."""


PLACE = JOBS.c.finished_ms, JOBS.c.key
_place = sa.tuple_(*PLACE)


@dataclass(frozen=True)
class _End:
    """The last place of a step, and the bounds of the keys passed, where SQLite needs them."""

    place: Place
    lowest: int | None
    highest: int | None


@dataclass(frozen=True)
class ArchivePage:
    """Newest end first. A place is None where there is no further page on that side."""

    items: tuple[ArchivedJob, ...]
    older: Place | None
    newer: Place | None


def page(
    site: Site, chosen: Filter, *, limit: int = 50, before: Place | None = None, after: Place | None = None
) -> ArchivePage:
    """The newest jobs of a filter, those before a place, or those just after one; none where nothing was archived yet.

    Raises DatabaseError.
    """
    try:
        return _page(site, chosen, limit, before, after)
    except DatabaseError as error:
        if error.bare:
            return ArchivePage((), None, None)
        raise


def _page(site: Site, chosen: Filter, limit: int, before: Place | None, after: Place | None) -> ArchivePage:
    with site.database.read() as connection:
        search = Search(connection, site.database.kind, chosen, ascending=after is not None)
        found = search.places(after if after is not None else before, limit + 1)
        more, found = len(found) > limit, sorted(found[:limit], reverse=True)
        items = jobs(connection, [key for _, key in found])
    has_older = more if after is None else bool(found)
    has_newer = more if after is not None else before is not None
    return ArchivePage(
        items,
        older=found[-1] if found and has_older else None,
        newer=found[0] if found and has_newer else None,
    )


class Search:
    """Finds the places of jobs of a filter, newest first or, `ascending`, oldest first."""

    def __init__(self, connection: Connection, kind: Kind, chosen: Filter, *, ascending: bool = False) -> None:
        self.connection, self.kind, self.ascending = connection, kind, ascending
        self.parts: Parts = archive_filter.parts(chosen)
        self._few: list[int] | None = None

    def places(self, beyond: Place | None, most: int) -> list[Place]:
        """The first `most` places, or those beyond one. Raises what the database does."""
        if self.parts.is_road_alone:
            return self._read(self._along(self.parts.roads[0], beyond).limit(most))
        estimate, road = self._estimates(beyond)
        step, found = STEP, list[Place]()
        while estimate * GATHERED > step:
            end = self._end(road, beyond, step)
            found += self._walk(beyond, end, most - len(found))
            if len(found) >= most or end is None:
                return found
            beyond, step = end.place, step * GROWTH
        return found + self._gather(beyond, most - len(found))

    def has_few(self) -> bool:
        """Whether, with SQLite, all that fits is known to be few."""
        return self._probed()[0] <= MOST_PROBED

    def _along(self, road: Sequence[Condition], beyond: Place | None) -> sa.Select[Any]:
        """The places along an index."""
        return self._in_order(sa.select(*PLACE).where(*road, *self.parts.times, *self._beyond(beyond)))

    def _end(self, road: Sequence[Condition], beyond: Place | None, step: int) -> _End | None:
        """Where the next `step` jobs of a road end; None where there are fewer."""
        along = self._along(road, beyond)
        if self.kind == "sqlite" and self.parts.sought:
            passed = along.limit(step).subquery()
            lowest, highest = self.connection.execute(
                sa.select(sa.func.min(passed.c.key), sa.func.max(passed.c.key))
            ).one()
        else:
            lowest = highest = None
        last = self._read(along.offset(step - 1).limit(1))
        return _End(last[0], lowest, highest) if last else None

    def _walk(self, beyond: Place | None, end: _End | None, most: int) -> list[Place]:
        """What fits up to an end."""
        lowest, highest = (end.lowest, end.highest) if end else (None, None)
        fits = [
            *self.parts.all,
            *self._beyond(beyond),
            *archive_filter.text(self.parts.sought, self.kind, lowest, highest),
        ]
        if end is not None:
            fits.append(_place <= sa.tuple_(*end.place) if self.ascending else _place >= sa.tuple_(*end.place))
        return self._read(self._in_order(sa.select(*PLACE).where(*fits)).limit(most))

    def _gather(self, beyond: Place | None, most: int) -> list[Place]:
        fits = [*self.parts.all, *self._beyond(beyond)]
        if self._few is not None:
            fits.append(JOBS.c.key.in_(sa.bindparam("few", self._few, expanding=True, literal_execute=True)))
            fits += archive_filter.excluding(self.parts.sought)
        else:
            fits += archive_filter.text(self.parts.sought, self.kind)
        # No index has this order, so none is walked for it.
        at = (JOBS.c.finished_ms + sa.literal_column("0"), JOBS.c.key)
        return self._read(
            sa.select(*PLACE)
            .where(*fits)
            .order_by(*(each if self.ascending else each.desc() for each in at))
            .limit(most)
        )

    def _estimates(self, beyond: Place | None) -> tuple[float, tuple[Condition, ...]]:
        """How many jobs fit, roughly, and the road with the fewest jobs."""
        if self.kind == "sqlite":
            return self._probed()
        roads = self.parts.roads
        of_roads = [self._planned([*road, *self.parts.times]) for road in roads] if len(roads) > 1 else [0.0]
        whole = [*self.parts.all, *self._beyond(beyond), *archive_filter.text(self.parts.sought, self.kind)]
        return self._planned(whole), roads[of_roads.index(min(of_roads))]

    def _planned(self, fits: Sequence[Condition]) -> float:
        compiled = sa.select(sa.literal(1)).select_from(JOBS).where(*fits).compile(dialect=self.connection.dialect)
        plan = self.connection.exec_driver_sql(
            f"EXPLAIN (FORMAT JSON) {compiled}", compiled.params or None
        ).scalar_one()
        return float(plan[0]["Plan"]["Plan Rows"])

    def _probed(self) -> tuple[float, tuple[Condition, ...]]:
        """Of each condition alone, where there are few; the fewest of all is at least how many fit."""
        roads = [(self._counted(road) if road else inf) for road in self.parts.roads]
        counts = [*roads, *(self._counted([each]) for each in self.parts.selective)]
        if self.parts.sought.wanted:
            keys = list(self.connection.execute(archive_filter.matching(self.parts.sought, MOST_PROBED + 1)).scalars())
            if len(keys) <= MOST_PROBED:
                self._few = keys
                counts.append(len(keys))
        return min(counts), self.parts.roads[roads.index(min(roads))]

    def _counted(self, fits: Sequence[Condition]) -> float:
        some = (
            sa.select(sa.literal(1)).select_from(JOBS).where(*fits, *self.parts.times).limit(MOST_PROBED + 1).subquery()
        )
        count = self.connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()
        return count if count <= MOST_PROBED else inf

    def _beyond(self, place: Place | None) -> list[Condition]:
        if place is None:
            return []
        return [_place > sa.tuple_(*place) if self.ascending else _place < sa.tuple_(*place)]

    def _in_order(self, places: sa.Select[Any]) -> sa.Select[Any]:
        return places.order_by(*(each if self.ascending else each.desc() for each in PLACE))

    def _read(self, places: sa.Select[Any]) -> list[Place]:
        return [(row.finished_ms, row.key) for row in self.connection.execute(places)]


def jobs(connection: Connection, keys: Sequence[int]) -> tuple[ArchivedJob, ...]:
    """The jobs of keys, in their order; those that went meanwhile are left out."""
    rows = connection.execute(sa.select(*archive_rows.COLUMNS).where(JOBS.c.key.in_(keys))).mappings()
    found = {row["key"]: archive_rows.of(row) for row in rows}
    return tuple(found[key] for key in keys if key in found)
