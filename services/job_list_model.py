"""A page of a list of jobs, and where in the list it begins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from services.archive_rows import ArchivedJob
from services.archive_search import Place
from services.job_model import DamagedJob, Job
from services.job_search import LARGEST_NUMBER


class Lately(NamedTuple):
    """A job that ended and was not archived yet: when, in ms; its number; and the highest key that the archive had then."""

    ms: int
    number: int
    key: int


Cursor = int | Place | Lately
"""Where a page begins: a job's number, in the part of the list that the store has; when a job ended and its key in the archive, in the
other; or a job that was on its way there."""
TOP: Place = (253_402_000_000_000, 0)
"""Before all of the archive."""
BOTTOM: Place = (0, 0)
"""Behind all of it."""
FRESH = 2**54
"""From here on the keys of what is not archived yet, which has none: in the order of numbers."""

_CURSOR = re.compile(r"(\d{1,16})|(\d{1,15})\.(\d{1,18})(?:\.(\d{1,16}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Item:
    """A job, and what the archive has of it where the store no longer has it."""

    job: Job | DamagedJob
    archived: ArchivedJob | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """How many jobs fit in all, and how many of them the store has; None where only a walk of all could tell. Then there are more than
    `least`, where that is known. It is the same for every page, of any size."""

    jobs: int | None = None
    in_store: int | None = None
    least: int | None = None


@dataclass(frozen=True, slots=True)
class JobList:
    """A page. A cursor is None where there is no further page on that side; a page may hold fewer jobs than asked for, even none, and
    go on. `notes` say to the reader what the list lacks, and why."""

    items: tuple[Item, ...]
    older: Cursor | None = None
    newer: Cursor | None = None
    total: Total = Total()
    notes: tuple[str, ...] = ()


def place_of(cursor: Cursor | None) -> Place | None:
    """Where a cursor stands among what ended; None where it stands among the store's jobs."""
    if isinstance(cursor, Lately):
        return cursor.ms, FRESH + cursor.number
    return cursor if isinstance(cursor, tuple) else None


def written(cursor: Cursor | None) -> str | None:
    if isinstance(cursor, Lately):
        return f"{cursor.ms}.{cursor.key}.{cursor.number}"
    if isinstance(cursor, tuple):
        return f"{cursor[0]}.{cursor[1]}"
    return None if cursor is None else str(cursor)


def read(text: str) -> Cursor:
    """A cursor as `written` has it. Raises ValueError."""
    found = _CURSOR.fullmatch(text)
    if not found:
        raise ValueError("no cursor that an answer gave")
    number, ms, key, lately = (None if part is None else int(part) for part in found.groups())
    if max(number or 0, lately or 0) > LARGEST_NUMBER:
        raise ValueError("no number that a job has")
    if ms is None or key is None:
        return number or 0
    return (ms, key) if lately is None else Lately(ms, lately, key)
