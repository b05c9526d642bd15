"""A list of jobs by what indexes of the store know: first what the store has, by number, then what the archive alone has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core.site import Site
from services import archive_alone, job_conditions, live_search
from services.archive_search import Place
from services.job_list_archive import Archive, Placed
from services.job_list_model import BOTTOM, TOP, Cursor, Item, JobList, place_of
from services.live_search import Found

MOST_CALLS = 4
"""Walks through indexes, each bounded, for one page: where the jobs that fit are few, it goes on at the next one."""


@dataclass(frozen=True)
class Both:
    site: Site
    archive: Archive
    limit: int

    def page(self, before: Cursor | None, after: Cursor | None) -> JobList:
        """Raises redis.RedisError."""
        upper, lower = place_of(before), place_of(after)
        if isinstance(after, int):
            return self._up(after)
        if lower is not None:
            return self._up_from_archive(lower)
        if upper is None:
            return self._down(before if isinstance(before, int) else None)
        rows, onward = self._rows(self.limit, before=upper)
        return JobList(_items(rows), onward, rows[0][0] if rows else upper)

    def _down(self, before: int | None) -> JobList:
        first = found = self._find(self.limit, before=before)
        items = [*map(Item, first.items)]
        for _ in range(MOST_CALLS - 1):
            if found.next_cursor is None or len(items) == self.limit:
                break
            found = self._find(self.limit - len(items), before=found.next_cursor)
            items += map(Item, found.items)
        newer = first.previous_cursor
        if found.next_cursor is not None:
            return JobList(tuple(items), found.next_cursor, newer)
        if len(items) == self.limit:
            return JobList(tuple(items), TOP if self._is_followed() else None, newer)
        rows, onward = self._rows(self.limit - len(items), before=TOP)
        return JobList((*items, *_items(rows)), onward, newer)

    def _up(self, after: int) -> JobList:
        found = self._find(self.limit, after=after)
        if found.previous_cursor is None and len(found.items) < self.limit:
            return self._down(
                None
            )  # It came to the newest before the page was full: the newest page is the fuller one.
        older: Cursor | None = found.next_cursor
        if older is None and self._is_followed():
            older = TOP
        return JobList(tuple(map(Item, found.items)), older, found.previous_cursor)

    def _up_from_archive(self, after: Place) -> JobList:
        rows, onward = self._rows(self.limit, after=after)
        older = None if after == BOTTOM else rows[-1][0] if rows else after
        if onward is not None:
            return JobList(_items(rows), older, onward)
        left = self.limit - len(rows)
        found = self._find(max(left, 1), after=0)
        if not left:
            return JobList(_items(rows), older, 0 if found.items else None)
        if after != BOTTOM and found.previous_cursor is None and len(found.items) < left:
            return self._down(None)
        return JobList((*map(Item, found.items), *_items(rows)), older, found.previous_cursor)

    def _find(self, limit: int, *, before: int | None = None, after: int | None = None) -> Found:
        conditions = job_conditions.live(self.archive.query)
        return live_search.find(self.site, conditions, before=before, after=after, limit=limit)

    def _may_be_followed(self) -> bool:
        """Whether the archive may have such jobs at all."""
        return self.site.database.is_begun and bool(job_conditions.archived(self.archive.query, self.archive.now))

    def _is_followed(self) -> bool:
        rows, onward = self._rows(1, before=TOP)
        return bool(rows or onward)

    def _rows(
        self, limit: int, *, before: Place | None = None, after: Place | None = None
    ) -> tuple[list[Placed], Place | None]:
        if not self._may_be_followed():
            return [], None
        floor = archive_alone.floor_ms(self.site)
        rows, onward = self.archive.rows(limit, before=before, after=after, below_ms=floor)
        if self.archive.why:  # There may be more, once it can be asked again.
            ends = [place for place, _ in rows]
            onward = (ends[-1] if ends else before) if after is None else (ends[0] if ends else after)
        return rows, onward


def _items(rows: Iterable[Placed]) -> tuple[Item, ...]:
    return tuple(item for _, item in rows)
