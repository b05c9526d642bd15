"""Rows of the archive, made of the records of finished jobs in the store."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from services import error_types, fingerprints
from services.job_model import DamagedJob, Stored, unpack
from services.job_rules import FINAL, UNCOUNTED

BUCKET = math.log(1.1)
MOST_NAME = 200
"""Characters of a queue's or a function's name; they are indexed."""


class Row(Struct, frozen=True):
    """One job, by the columns of `archive_schema.JOBS` but the key."""

    number: int
    agent: str
    id: str
    status: str
    title: str | None
    queue: str | None
    function: str | None
    stage: str | None
    failed_stage: str | None
    message: str | None
    error: str | None
    progress: float
    attempt: int
    created_ms: int
    started_ms: int | None
    finished_ms: int
    updated_ms: int
    duration_ms: int
    bucket: int
    video_id: str | None
    episode_id: str | None
    published: bool
    skew_s: int | None
    stages: str
    attempts: str
    metadata: str | None
    result: str | None
    worker: str | None
    tags: str | None
    error_type: str | None
    fingerprint: str | None
    state: str | None
    engine: str | None
    engine_id: str | None
    wait_ms: int | None
    """From when it was enqueued until it began, or, where it never did, until its end."""


class _Names(Struct):
    queue: Any = None
    function: Any = None


_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_json = msgspec.json.Encoder().encode
_names = msgspec.json.Decoder(_Names).decode
_NO_NAMES = _Names()


def of_record(number: int, record: bytes) -> Row | DamagedJob | None:
    """The row of a record; None where the job has not ended, or goes on in a new attempt."""
    try:
        job = unpack(record)
    except (ValueError, TypeError, OverflowError):
        return DamagedJob(number)
    if job.status not in FINAL:
        return None
    return _row(number, job, job.finished or job.updated or job.created)


def _row(number: int, job: Stored, finished: int) -> Row:
    began = job.started or (finished if job.state in UNCOUNTED else job.created)
    duration = max(0, finished - began)
    names = _names_of(job.metadata)
    error_type, fingerprint = _failure(job)
    return Row(
        number=number,
        agent=job.agent,
        id=job.id,
        status=job.status,
        title=job.title,
        queue=_name(job.queue) or _name(names.queue),
        function=_name(job.function) or _name(names.function),
        stage=job.stage,
        failed_stage=job.failedStage,
        message=job.message,
        error=job.error,
        progress=job.progress,
        attempt=job.attempt,
        created_ms=job.created,
        started_ms=job.started,
        finished_ms=finished,
        updated_ms=job.updated or job.created,
        duration_ms=duration,
        bucket=int(math.log(max(duration, 1)) / BUCKET),
        video_id=job.videoId,
        episode_id=job.episodeId,
        published=job.published,
        skew_s=job.skew,
        stages=_json(job.stages).decode() if job.stages else "[]",
        attempts=_json(job.attempts).decode() if job.attempts else "[]",
        metadata=job.metadata,
        result=job.result,
        worker=_name(job.worker),
        tags=tags_of(job.tags),
        error_type=error_type,
        fingerprint=fingerprint,
        state=job.state,
        engine=job.engine,
        engine_id=job.engineId,
        wait_ms=None
        if job.enqueued is None
        else max(0, (finished if job.started is None else job.started) - job.enqueued),
    )


def tags_of(tags: Sequence[str]) -> str | None:
    """As the archive keeps them: ` a b `."""
    words = ("_".join(tag.split()) for tag in tags)
    text = " ".join(word for word in words if word)
    return f" {text} " if text else None


def _failure(job: Stored) -> tuple[str | None, str | None]:
    """The type and the fingerprint of a job's error; none of one that was ended on purpose."""
    if job.status != "failed":
        return _name(job.errorType), None
    error_type = _name(job.errorType) or error_types.of(job.error)
    is_told = (error_type or job.error) and job.state not in UNCOUNTED
    return error_type, fingerprints.of(error_type, job.error) if is_told else None


def _names_of(metadata: str | None) -> _Names:
    """What a job's metadata says of its queue and function; most say nothing, and are not read for that."""
    if metadata is None or not ('"queue"' in metadata or '"function"' in metadata):
        return _NO_NAMES
    try:
        return _names(metadata)
    except msgspec.DecodeError:
        return _NO_NAMES


def _name(said: Any) -> str | None:
    # As filters read it, who leave out blanks at the ends, and as an upload takes it, on one line.
    return _CONTROL.sub(" ", said).strip()[:MOST_NAME].rstrip() or None if isinstance(said, str) else None
