"""Dialect Q on the wire: a job's changes, and its present state, as unnamed events."""

from __future__ import annotations

from typing import Any

from core import sse
from core.backlog import Frame
from core.event_log import Entry
from services.job_events import JobEvent
from services.job_model import Job
from services.job_rules import FINAL

_CHANGES = ("created", "begun", "updated")


def frame(entry: Entry) -> Frame | None:
    """An entry of the bus as this dialect tells it; None for one of which it tells nothing."""
    made: Frame | None = entry.memo.get("q")
    if made is None and entry.kind == "e" and entry.value.kind in _CHANGES:
        made = entry.memo["q"] = _frame(entry.value, entry.position)
    return made


def _frame(event: JobEvent, position: str) -> Frame:
    # A failure without a message of its own shows its error.
    message = event.message or (event.error if event.status == "failed" else "")
    data = _data(event.number, event.status, event.stage, event.progress, message)
    return Frame(sse.event(data, id=position), key=event.number, keep=event.status in FINAL)


def state(job: Job, position: str | None) -> Frame:
    """A job as it stands, in the same shape."""
    data = _data(job.number, job.status, job.stage or "", job.progress, job.message or job.error or "")
    return Frame(sse.event(data, id=position), key=job.number, keep=job.is_final)


def number(value: float) -> float | int:
    """A whole number without its point."""
    return int(value) if float(value).is_integer() else value


def _data(queue_id: int, status: str, stage: str, progress: float, message: str) -> dict[str, Any]:
    data: dict[str, Any] = {"queue_id": queue_id, "status": status}
    if stage:
        data["current_step"] = stage
    data["progress"] = number(progress)
    if message:
        data["message"] = message
    return data
