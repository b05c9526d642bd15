"""A page of a list of jobs, and where in the list it begins."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.archive_rows import ArchivedJob
from services.archive_search import Place
from services.job_model import DamagedJob, Job
from services.job_search import LARGEST_NUMBER

Cursor = int | Place
"""A job's number, in the part of the list that the store has; when a job ended and its key in the archive, in the other."""
TOP: Place = (253_402_000_000_000, 0)
"""Before all of the archive."""
BOTTOM: Place = (0, 0)
"""Behind all of it."""

_CURSOR = re.compile(r"(\d{1,16})|(\d{1,15})\.(\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Item:
    """A job, and what the archive has of it where the store no longer has it."""

    job: Job | DamagedJob
    archived: ArchivedJob | None = None


@dataclass(frozen=True, slots=True)
class JobList:
    """A page. A cursor is None where there is no further page on that side; a page may hold fewer jobs than asked for, even none, and
    go on. `total` is how many fit in all, None where only a walk of all could tell; `in_store` is that of the store's jobs alone.
    `notes` say to the reader what the list lacks, and why."""

    items: tuple[Item, ...]
    older: Cursor | None = None
    newer: Cursor | None = None
    total: int | None = None
    in_store: int | None = None
    notes: tuple[str, ...] = ()


def written(cursor: Cursor | None) -> str | None:
    if cursor is None:
        return None
    return str(cursor) if isinstance(cursor, int) else f"{cursor[0]}.{cursor[1]}"


def read(text: str) -> Cursor:
    """A cursor as `written` has it. Raises ValueError."""
    found = _CURSOR.fullmatch(text)
    if not found or (found[1] and int(found[1]) > LARGEST_NUMBER):
        raise ValueError("no cursor that an answer gave")
    return int(found[1]) if found[1] else (int(found[2]), int(found[3]))
