"""Which jobs an action on all that match is for: those that the live store's indexes find, and no others."""

from __future__ import annotations

from core.fields import FieldError
from services import job_conditions, job_query
from services.job_query import QueryFault
from services.live_search import Conditions

UNINDEXED = ("id", "stage", "after", "before", "took")


def conditions(text: str) -> Conditions:
    """Of a query as it was typed. Raises FieldError where it can't be read, or asks for what only the archive can tell."""
    try:
        query = job_query.parse(text)
    except QueryFault as fault:
        raise FieldError("q", str(fault)) from fault
    if query.text or any(query.values(key) for key in UNINDEXED):
        words = "text in quotes or without a key" if query.text else ", ".join(f"{key}:" for key in UNINDEXED)
        raise FieldError(
            "q", f"can't be acted on as a whole with {words}: choose the jobs one by one, or leave that out"
        )
    asked = job_conditions.live(query)
    if asked == Conditions():
        raise FieldError("q", "is blank, which would be all jobs there are: say which are meant, such as state:failed")
    return asked
