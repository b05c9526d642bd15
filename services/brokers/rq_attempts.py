"""Attempts that came and went between two looks: RQ keeps the times of the last one alone, and how many retries are left."""

from __future__ import annotations

from typing import Any

import msgspec

from services.brokers.mirror_changes import SAME_MS, Known
from services.brokers.model import EngineJob
from services.brokers.rq_jobs import ReadJob

MOST = 20


def may_be_missed(read: ReadJob) -> bool:
    """Whether the record of this job is needed to tell."""
    return read.last is not None or "retries_left" in read.job.metadata or "retries" in read.job.metadata


def told(read: ReadJob, record: Known | None) -> list[EngineJob]:
    """What the mirror is to be told of a job, in order, for its attempts to be as many as RQ made."""
    job, last = read
    if last is not None and _is_known(record, last.started_ms):
        last = None
    before = [] if last is None else [last]
    missed = _begun_since(job, record)
    itself = _begins(job, before, record)
    if missed <= itself:
        return [*before, job]
    # What comes after them goes on with the attempt that they end with, but where it tells of a start and of waiting again.
    pairs = min(missed - len(before), MOST)
    began = EngineJob(id=job.id, state="started")
    again = EngineJob(id=job.id, state="retrying", enqueued_ms=job.enqueued_ms)
    return [*([began, again] * pairs), *before, job]


def _begun_since(job: EngineJob, record: Known | None) -> int:
    """How many attempts RQ began since the record was made, by its own counts of retries."""
    before = _metadata(record)
    begun = 0
    left, left_before = job.metadata.get("retries_left"), before.get("retries_left")
    if isinstance(left, int) and isinstance(left_before, int):
        begun += left_before - left
    retries = job.metadata.get("retries")
    if isinstance(retries, int):
        retries_before = before.get("retries")
        begun += retries - (retries_before if isinstance(retries_before, int) else 0)
    return begun


def _begins(job: EngineJob, before: list[EngineJob], record: Known | None) -> int:
    """How many attempts more there will be by what is told anyway."""
    if record is None or record.status == "queued":
        return len(before)
    if job.state in ("queued", "scheduled", "deferred"):
        return 1 + len(before)
    is_later = job.started_ms is not None and job.started_ms > (record.started or 0) + SAME_MS
    return 1 if is_later else 0


def _is_known(record: Known | None, started_ms: int | None) -> bool:
    if record is None:
        return False
    starts = [record.started]
    try:
        starts += [attempt.get("started") for attempt in msgspec.msgpack.decode(record.attempts)]
    except (msgspec.DecodeError, AttributeError):
        return True
    return started_ms is None or any(start is not None and abs(start - started_ms) <= SAME_MS for start in starts)


def _metadata(record: Known | None) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(record.metadata or "{}") if record is not None else {}
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
