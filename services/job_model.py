"""A job as Headway's rooms pass it on, and how it is read out of the store."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from services.job_rules import FINAL, Status


@dataclass(frozen=True, slots=True)
class StageSpan:
    """One stage of one attempt; `finished_at` is None while it goes on."""

    name: str
    started_at: datetime
    finished_at: datetime | None

    @property
    def seconds(self) -> float | None:
        return None if self.finished_at is None else (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Attempt:
    """What an earlier attempt of a job did."""

    attempt: int
    status: str
    error: str | None
    failed_stage: str | None
    progress: float
    started_at: datetime | None
    finished_at: datetime | None
    stages: tuple[StageSpan, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """One job. `number` is its queue id; `metadata` and `result` are JSON text; `skew_seconds` is how far the
    reporter's clock was off, where it was."""

    number: int
    id: str
    agent: str
    title: str | None
    status: Status
    stage: str | None
    progress: float
    message: str | None
    error: str | None
    failed_stage: str | None
    result: str | None
    metadata: str | None
    attempt: int
    attempts: tuple[Attempt, ...]
    stages: tuple[StageSpan, ...]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime
    skew_seconds: int | None

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


@dataclass(frozen=True, slots=True)
class DamagedJob:
    """A job that the indexes name and whose record is missing or can't be read."""

    number: int


class _Stored(Struct):
    agent: str
    id: str
    status: Status
    created: int
    progress: float = 0
    attempt: int = 1
    updated: int | None = None
    title: str | None = None
    stage: str | None = None
    message: str | None = None
    error: str | None = None
    failedStage: str | None = None  # noqa: N815
    result: str | None = None
    metadata: str | None = None
    started: int | None = None
    finished: int | None = None
    stages: str | None = None
    attempts: str | None = None
    skew: int | None = None


_unpack = msgspec.msgpack.Decoder(dict[str, str]).decode


def from_blob(number: int, blob: bytes | None) -> Job | DamagedJob:
    """The job of a script's answer: MessagePack of its hash, None where there was none."""
    if not blob:
        return DamagedJob(number)
    try:
        return from_hash(number, _unpack(blob))
    except msgspec.DecodeError:
        return DamagedJob(number)


def from_hash(number: int, fields: dict[str, str]) -> Job | DamagedJob:
    """The job of a hash's fields."""
    try:
        return _job(number, msgspec.convert(fields, _Stored, strict=False))
    except (ValueError, TypeError, KeyError, OverflowError):
        return DamagedJob(number)


def _job(number: int, stored: _Stored) -> Job:
    return Job(
        number=number,
        id=stored.id,
        agent=stored.agent,
        title=stored.title,
        status=stored.status,
        stage=stored.stage,
        progress=stored.progress,
        message=stored.message,
        error=stored.error,
        failed_stage=stored.failedStage,
        result=stored.result,
        metadata=stored.metadata,
        attempt=stored.attempt,
        attempts=tuple(map(_attempt, json.loads(stored.attempts))) if stored.attempts else (),
        stages=_spans(json.loads(stored.stages)) if stored.stages else (),
        created_at=_time(stored.created),
        started_at=_time_or_none(stored.started),
        finished_at=_time_or_none(stored.finished),
        updated_at=_time(stored.updated or stored.created),
        skew_seconds=stored.skew,
    )


def _attempt(kept: dict[str, Any]) -> Attempt:
    return Attempt(
        attempt=kept["attempt"],
        status=kept["status"],
        error=kept.get("error"),
        failed_stage=kept.get("failedStage"),
        progress=float(kept.get("progress", 0)),
        started_at=_time_or_none(kept.get("started")),
        finished_at=_time_or_none(kept.get("finished")),
        stages=_spans(kept.get("stages") or []),
    )


def _spans(kept: list[list[Any]]) -> tuple[StageSpan, ...]:
    return tuple(StageSpan(name, _time(start), _time_or_none(end)) for name, start, end in kept)


def _time(ms: float) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _time_or_none(ms: float | None) -> datetime | None:
    return _time(ms) if ms else None


def to_ms(time: datetime) -> int:
    """Milliseconds since the epoch."""
    return int(time.timestamp() * 1000)
