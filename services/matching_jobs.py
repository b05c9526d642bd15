"""Which jobs an action on all that match is for: those that the live store's indexes find, and no others."""

from __future__ import annotations

from core.fields import FieldError
from services import job_query
from services.job_query import JobQuery, QueryFault
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
    return of_query(query)


def of_query(query: JobQuery) -> Conditions:
    """The part of a query that the live store can tell."""
    return Conditions(
        statuses=query.status,
        states=query.state,
        agents=query.agent,
        queue=query.queue,
        function=query.function,
        worker=query.worker,
        error=query.error,
        tag=query.tag,
    )
