"""A row of the archive as a job, which every page and chart takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import RowMapping

from services.archive_schema import JOBS
from services.job_model import Attempt, Job, StageSpan, attempts_of, from_ms, spans_of

COLUMNS = tuple(column for column in JOBS.c if column.name != "bucket")
"""What is read of a job."""

_stages = msgspec.json.Decoder(list[tuple[str, int, int]]).decode


@dataclass(frozen=True, slots=True)
class ArchivedJob:
    """A job of the archive, which it is in by `key`, with what is known there alone."""

    key: int
    queue: str | None
    function: str | None
    job: Job


def of(row: RowMapping) -> ArchivedJob:
    """The job of a row that has COLUMNS."""
    return ArchivedJob(row["key"], row["queue"], row["function"], _job(row))


def _job(row: RowMapping) -> Job:
    return Job(
        number=row["number"],
        id=row["id"],
        agent=row["agent"],
        title=row["title"],
        video_id=row["video_id"],
        episode_id=row["episode_id"],
        published=bool(row["published"]),
        status=row["status"],
        stage=row["stage"],
        progress=row["progress"],
        message=row["message"],
        error=row["error"],
        failed_stage=row["failed_stage"],
        result=row["result"],
        metadata=row["metadata"],
        attempt=row["attempt"],
        attempts=_attempts(row["attempts"]),
        stages=_spans(row["stages"]),
        created_at=from_ms(row["created_ms"]),
        started_at=None if row["started_ms"] is None else from_ms(row["started_ms"]),
        finished_at=from_ms(row["finished_ms"]),
        updated_at=from_ms(row["updated_ms"]),
        heard_at=None,
        skew_seconds=row["skew_s"],
        engine=row["engine"],
        engine_id=row["engine_id"],
        queue=row["queue"],
        function=row["function"],
        worker=row["worker"],
        state=row["state"],
        error_type=row["error_type"],
        enqueued_at=_enqueued(row["finished_ms"] if row["started_ms"] is None else row["started_ms"], row["wait_ms"]),
        tags=tuple((row["tags"] or "").split()),
    )


def _enqueued(until_ms: int, wait_ms: int | None) -> datetime | None:
    return None if wait_ms is None else from_ms(until_ms - wait_ms)


def _spans(text: str) -> tuple[StageSpan, ...]:
    """None where somebody else wrote what can't be read: the rest of the job is as good."""
    try:
        return spans_of(_stages(text))
    except (ValueError, OverflowError):
        return ()


def _attempts(text: str) -> tuple[Attempt, ...]:
    try:
        return attempts_of(text)
    except (ValueError, OverflowError):
        return ()
