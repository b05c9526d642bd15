"""Attempts that came and went between two looks: RQ keeps the times of the last one alone, and how many retries are left."""

from __future__ import annotations

from typing import Any

import msgspec

from services.brokers.mirror_changes import SAME_MS
from services.brokers.mirror_records import Known
from services.brokers.model import EngineJob, State
from services.brokers.rq_jobs import ReadJob

MOST = 20
TAKEN_OFF = "It was taken off the list of what is scheduled"
"""As rq-scheduler cancels: the job says still that it is scheduled."""
WAITING: tuple[State, ...] = ("queued", "scheduled", "deferred")


def told(read: ReadJob, record: Known | None) -> list[EngineJob]:
    """What the mirror is to be told of a job, in order, for its attempts to be as many as RQ made."""
    job, last = read.job, read.last
    if read.is_unlisted and record is not None and record.state == "scheduled" and record.due:
        job = msgspec.structs.replace(job, state="canceled", message=TAKEN_OFF)
    elif read.is_between:
        return []  # the rest will be told as a change
    begun = _begun_since(job, record)
    if record is not None and begun == 0 and _is_same(job.enqueued_ms, record.enqueued):
        job = _begun_with(job, record)
    before, new = list[EngineJob](), 0
    if last is not None and (record is None or begun > (0 if record.status == "queued" else 1)):
        before, new = [last], 1
    elif last is not None and last.state == "finished" and record is not None and record.status == "processing":
        before = [_begun_with(last, record)]
    missed = min(begun - _begins(job, new, record), MOST)
    return [*_starts(job, before, record, missed), *before, job]


def _begun_with(job: EngineJob, record: Known) -> EngineJob:
    """RQ notes the start of an attempt once more when it ends, some ms later: what was recorded first stays."""
    if job.started_ms is None or record.started is None:
        return job
    return msgspec.structs.replace(job, started_ms=int(record.started))


def _starts(job: EngineJob, before: list[EngineJob], record: Known | None, missed: int) -> list[EngineJob]:
    """Of attempts of which nothing is known but that they were: spread over the time in which they must have been."""
    until = (before[0] if before else job).started_ms or job.enqueued_ms
    since = (record and (record.started or record.enqueued)) or job.created_ms
    if missed < 1 or until is None or since is None:
        return []
    step_ms = max((until - since) / (missed + 1), SAME_MS + 1)
    starts = (since + step_ms * (number + 1) for number in range(missed))
    # Whichever is told first creates the job, which is to say then when that was, and what it is.
    begun = EngineJob(
        id=job.id,
        state="started",
        queue=job.queue,
        function=job.function,
        title=job.title,
        created_ms=job.created_ms,
    )
    return [msgspec.structs.replace(begun, started_ms=round(at)) for at in starts if at < until - SAME_MS]


def _begun_since(job: EngineJob, record: Known | None) -> int:
    """How many attempts RQ began since the record was made, by its own counts of retries and repeats."""
    before = _metadata(record)
    begun = 0
    for name in ("retries_left", "repeats_left"):
        left, left_before = job.metadata.get(name), before.get(name)
        if isinstance(left, int) and isinstance(left_before, int):
            begun += left_before - left
    retries, retries_before = job.metadata.get("retries"), before.get("retries", 0)
    if isinstance(retries, int) and isinstance(retries_before, int):
        begun += retries - retries_before
    return begun


def _begins(job: EngineJob, before: int, record: Known | None) -> int:
    """How many attempts more there will be by what is told anyway, of which one may be the attempt before."""
    if record is None or record.status == "queued":
        return before
    if job.state in WAITING:
        return 1 + before
    return 1 if job.started_ms is not None and job.started_ms > (record.started or 0) + SAME_MS else 0


def _is_same(ms: int | None, before: float | None) -> bool:
    return ms is not None and before is not None and abs(ms - before) <= SAME_MS


def _metadata(record: Known | None) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(record.metadata or "{}") if record is not None else {}
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
