"""Rows of the archive as lines of a file, in the fields that an upload of job history takes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Raw, Struct
from sqlalchemy import ColumnElement, func

from services import upload_export
from services.archive_schema import JOBS
from services.job_model import StoredAttempt

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)


class _Stage(Struct, omit_defaults=True):
    name: str
    started_at: datetime
    finished_at: datetime | None = None


class _Attempt(Struct, omit_defaults=True):
    attempt: int
    status: str
    progress: float
    error: str | None = None
    failed_stage: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    stages: list[_Stage] = []


class _Line(Struct, omit_defaults=True):
    """What is nothing is left out."""

    id: str
    agent: str
    status: str
    title: str | None = None
    stage: str | None = None
    failed_stage: str | None = None
    progress: float | None = None
    message: str | None = None
    error: str | None = None
    attempt: int | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    queue: str | None = None
    function: str | None = None
    video_id: str | None = None
    episode_id: str | None = None
    published: bool = False
    metadata: Raw | None = None
    result: Raw | None = None
    stages: list[_Stage] = []
    attempts: list[_Attempt] = []
    worker: str | None = None
    error_type: str | None = None
    state: str | None = None
    engine: str | None = None
    engine_id: str | None = None
    tags: list[str] = []
    enqueued_at: datetime | None = None


NAMES = _Line.__struct_fields__
_TIMES = tuple(name for name in NAMES if name.endswith("_at"))
_UNTIL: ColumnElement[Any] = func.coalesce(JOBS.c.started_ms, JOBS.c.finished_ms)
_ENQUEUED: ColumnElement[Any] = (_UNTIL - JOBS.c.wait_ms).label("enqueued_ms")
COLUMNS: tuple[ColumnElement[Any], ...] = tuple(
    _ENQUEUED if name == "enqueued_at" else JOBS.c[name.replace("_at", "_ms") if name in _TIMES else name]
    for name in NAMES
)
"""What a row holds, in this order."""
CREATED, STARTED, FINISHED = (NAMES.index(name) for name in ("created_at", "started_at", "finished_at"))
ATTEMPTS = NAMES.index("attempts")
MARKS = "=+-@\t\r'"
"""What a cell begins with that may need a quote before it."""

_encode = msgspec.json.Encoder()
_stages_of = msgspec.json.Decoder(list[tuple[str, int, int]]).decode
_attempts_of = msgspec.json.Decoder(list[StoredAttempt]).decode
_raw = msgspec.json.Decoder(Raw).decode


def ndjson(rows: Iterable[Sequence[Any]]) -> bytes:
    return _encode.encode_lines([_line(_in_order(row)) for row in rows])


def csv_header() -> bytes:
    return ",".join(NAMES).encode() + b"\r\n"


def as_csv(rows: Iterable[Sequence[Any]]) -> bytes:
    """Rows of cells that no spreadsheet takes for formulas; what is a list or an object is JSON."""
    text = io.StringIO()
    csv.writer(text).writerows(_cells(_in_order(row)) for row in rows)
    return text.getvalue().encode()


def _in_order(row: Sequence[Any]) -> Sequence[Any]:
    """The row with its times as jobs have them now: uploads refuse a job that began before it was created, as versions before kept
    some."""
    told = list(row)
    if told[STARTED] is not None:
        told[STARTED] = min(told[STARTED], told[FINISHED])
    told[CREATED] = min(time for time in told[CREATED : FINISHED + 1] if time is not None)
    return told


def _line(row: Sequence[Any]) -> _Line:
    told = dict(zip(NAMES, row, strict=True))
    for name in _TIMES:
        told[name] = None if told[name] is None else EPOCH + told[name] * MS
    for name in ("metadata", "result"):
        told[name] = None if told[name] is None else _json(told[name])
    told["tags"] = (told["tags"] or "").split()
    told["published"] = bool(told["published"])
    told["stages"] = [] if told["stages"] == "[]" else _stages(told["stages"])
    told["attempts"] = [] if told["attempts"] == "[]" else _attempts(told["attempts"])
    return _Line(**told)


def _cells(row: Sequence[Any]) -> list[object]:
    *texts, progress, message, error, attempt, created, started, finished = row[: FINISHED + 1]
    *named, published, metadata, result, stages, attempts = row[FINISHED + 1 : ATTEMPTS + 1]
    *more, tags, enqueued = row[ATTEMPTS + 1 :]
    return [
        *map(_safe, texts),
        progress,
        _safe(message),
        _safe(error),
        attempt,
        _written(created),
        _written(started),
        _written(finished),
        *map(_safe, named),
        "true" if published else None,
        metadata,
        result,
        None if stages == "[]" else _encode.encode(_stages(stages)).decode(),
        None if attempts == "[]" else _encode.encode(_attempts(attempts)).decode(),
        *map(_safe, more),
        _safe(tags and tags.strip()),
        _written(enqueued),
    ]


def _safe(text: str | None) -> str | None:
    return upload_export.kept_cell(text) if text and text[0] in MARKS else text


def _written(ms: int | None) -> str | None:
    return None if ms is None else (EPOCH + ms * MS).isoformat(timespec="milliseconds")[:-6] + "Z"


def _json(text: str) -> Raw:
    """JSON as it is; what somebody else put into the database is shown as text."""
    try:
        return _raw(text)
    except msgspec.DecodeError:
        return Raw(_encode.encode(text))


def _stages(text: str) -> list[_Stage]:
    return [_stage(*each) for each in _stages_of(text)]


def _stage(name: str, began: int, ended: int) -> _Stage:
    return _Stage(name, EPOCH + began * MS, EPOCH + ended * MS if ended else None)


def _attempts(text: str) -> list[_Attempt]:
    return [
        _Attempt(
            each.attempt,
            each.status,
            each.progress,
            each.error,
            each.failedStage,
            EPOCH + each.started * MS if each.started else None,
            EPOCH + each.finished * MS if each.finished else None,
            [_stage(*stage) for stage in each.stages],
        )
        for each in _attempts_of(text)
    ]
