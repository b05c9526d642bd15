"""A job that the store no longer has, for every view that shows one by its number or id."""

from __future__ import annotations

from collections.abc import Callable

from core.database import DatabaseError
from core.problems import Problem
from core.site import Site
from routes import site
from services import job_numbers
from services.archive_rows import ArchivedJob


def sought(ref: str, ask: Callable[[Site], ArchivedJob | None]) -> ArchivedJob | None:
    """What `ask` finds for a number or an id; None where there is no such job. Raises Problem 503 while nobody can say."""
    if not site().database.is_begun:
        return None
    try:
        return ask(site())
    except DatabaseError as error:
        if error.bare or not _may_be(ref):
            return None
        raise Problem(
            503,
            "Archive unavailable",
            f"There is no live job {ref[:128]!r}, and the archive of finished jobs can't be asked, because {error}. Try again later.",
            headers={"Retry-After": "5"},
        ) from error


def _may_be(ref: str) -> bool:
    if not (ref.isascii() and ref.isdigit()):
        return True
    return len(ref) <= 16 and job_numbers.may_be_given(site(), int(ref))
