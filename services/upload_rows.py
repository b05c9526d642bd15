"""From a row as it was written to a job as the store takes it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec

from core.fields import FieldError, check
from services.job_rules import FINAL, HistoryRow
from services.upload_limits import Rejected, Row

ALLOWED_SKEW = timedelta(minutes=1)
"""By how much a reporter's clock may be ahead of ours."""
FIRST = datetime(1970, 1, 1, tzinfo=UTC)

_FIELDS = frozenset(info.name for info in msgspec.structs.fields(HistoryRow))
_ALIASES = {"current_step": "stage", "failedStage": "failed_stage"}
_KNOWN = _FIELDS | _ALIASES.keys()
# An id that follows from what a row says stays the same where later versions know of more to say.
_FIRST = [
    "status",
    "id",
    "agent",
    "title",
    "stage",
    "progress",
    "message",
    "error",
    "result",
    "metadata",
    "attempt",
    "created_at",
    "started_at",
    "finished_at",
    "stages",
]
_Said = msgspec.defstruct("_Said", _FIRST)
_NAMESPACE = uuid.UUID("5f0f3c1e-3a52-5d0e-9a8e-4d1b6f6f2a77")
_ANY_ID = "unnamed"


@dataclass(frozen=True)
class Window:
    """The times that a row may name."""

    now: datetime
    keep_days: int

    @property
    def oldest(self) -> datetime:
        return self.now - timedelta(days=self.keep_days)


def job_of(row: Row, window: Window) -> HistoryRow | Rejected:
    """The job that a row tells of; a row without an id gets one that follows from what it says."""
    try:
        fields = _told(row.fields)
        if not fields:
            return Rejected(row.line, "", "says nothing about a job")
        fields.setdefault("status", _status(fields))
        job = check(HistoryRow, {"id": _ANY_ID, **fields})
        _check_times(job, window)
        return job if "id" in fields else _named(job)
    except FieldError as fault:
        return Rejected(row.line, fault.field, fault.fault)


def unknown(row: Row) -> Iterable[str]:
    """The names of fields that no job has; they are left out."""
    return () if row.fields.keys() <= _KNOWN else [name for name in row.fields if name not in _KNOWN]


def _told(written: dict[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in written.items() if name in _KNOWN and value is not None}
    for alias, name in _ALIASES.items():
        value = fields.pop(alias, None)
        if value is not None and fields.setdefault(name, value) != value:
            raise FieldError(name, f"is another name for {alias}, and the two differ")
    return fields


def _status(fields: dict[str, Any]) -> str:
    """The status of a row that says none: as its other fields have it."""
    if fields.get("stage") in FINAL:
        return str(fields["stage"])
    if "finished_at" in fields:
        return "failed" if "error" in fields else "completed"
    begun = any(name in fields for name in ("started_at", "stage", "progress", "stages"))
    return "processing" if begun else "queued"


def _check_times(job: HistoryRow, window: Window) -> None:
    named = (("created_at", job.created_at), ("started_at", job.started_at), ("finished_at", job.finished_at))
    told = [(name, time) for name, time in named if time is not None]
    for place, stage in enumerate(job.stages or ()):
        ends = (("started_at", stage.started_at), ("finished_at", stage.finished_at))
        spans = [(f"stages[{place}].{name}", time) for name, time in ends if time is not None]
        _check_order(spans)
        _check_range(spans, window)
    _check_range(told + ([("enqueued_at", job.enqueued_at)] if job.enqueued_at else []), window)
    _check_order(told)
    if job.finished_at is not None and job.status not in FINAL:
        raise FieldError("finished_at", f"is given, but the status is {job.status}")
    if job.finished_at is not None and job.finished_at < window.oldest:
        raise FieldError(
            "finished_at",
            f"is more than {window.keep_days} days ago, which is how long jobs are kept; raise HEADWAY_KEEP_DAYS to keep it",
        )


def _check_range(told: list[tuple[str, datetime]], window: Window) -> None:
    for name, time in told:
        if time > window.now + ALLOWED_SKEW:
            raise FieldError(name, "is in the future")
        if time < FIRST:
            raise FieldError(name, "is before 1970")


def _check_order(told: list[tuple[str, datetime]]) -> None:
    for (_, before), (name, time) in pairwise(told):
        if time < before:
            raise FieldError(name, "is earlier than what it follows; times go from created_at to finished_at")


def _named(job: HistoryRow) -> HistoryRow:
    said = msgspec.json.encode(_Said(*(getattr(job, name) for name in _FIRST)), order="deterministic")
    rest = {name: value for name in _FIELDS.difference(_FIRST) if (value := getattr(job, name)) is not None}
    said += msgspec.json.encode(rest, order="deterministic") if rest else b""
    return msgspec.structs.replace(job, id=str(uuid.uuid5(_NAMESPACE, said.decode())))
