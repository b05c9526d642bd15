"""A job as Headway's rooms pass it on, and how it is read out of the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from core.config.brokers import Engine
from services.job_rules import FINAL, State, Status

_EPOCH, _MS = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)


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

    @property
    def seconds(self) -> float | None:
        return (
            None if not (self.started_at and self.finished_at) else (self.finished_at - self.started_at).total_seconds()
        )


@dataclass(frozen=True, slots=True)
class Job:
    """One job. `number` is its queue id; `metadata` and `result` are JSON text; `skew_seconds` is how far the
    reporter's clock was off, where it was; `heard_at` is when the last update arrived, where that was later than
    `updated_at`. `engine` is what runs it, where Headway reads that itself; `engine_id` is its id there, where that can't be `id`;
    `state` is one of `services.brokers.model.STATES`. `due_at` is when it is to begin, `enqueued_at` since when its attempt waits."""

    number: int
    id: str
    agent: str
    title: str | None
    video_id: str | None
    episode_id: str | None
    published: bool
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
    heard_at: datetime | None
    skew_seconds: int | None
    engine: Engine | None = None
    engine_id: str | None = None
    queue: str | None = None
    function: str | None = None
    worker: str | None = None
    state: State | None = None
    error_type: str | None = None
    due_at: datetime | None = None
    enqueued_at: datetime | None = None
    tags: tuple[str, ...] = ()

    @property
    def is_final(self) -> bool:
        return self.status in FINAL


@dataclass(frozen=True, slots=True)
class DamagedJob:
    """A job that the indexes name and whose record is missing or can't be read."""

    number: int


class StoredAttempt(Struct):
    """An earlier attempt as a record holds it; times are ms since the epoch, those of a stage 0 where it never ended."""

    attempt: int
    status: str
    progress: float
    error: str | None = None
    failedStage: str | None = None  # noqa: N815
    started: int | None = None
    finished: int | None = None
    stages: list[tuple[str, int, int]] = []


class Stored(Struct):
    """A job as its record holds it; `metadata` and `result` are JSON text."""

    agent: str
    id: str
    status: Status
    created: int
    progress: float = 0
    attempt: int = 1
    updated: int | None = None
    heard: int | None = None
    title: str | None = None
    videoId: str | None = None  # noqa: N815
    episodeId: str | None = None  # noqa: N815
    published: bool = False
    stage: str | None = None
    message: str | None = None
    error: str | None = None
    failedStage: str | None = None  # noqa: N815
    result: str | None = None
    metadata: str | None = None
    started: int | None = None
    finished: int | None = None
    stages: list[tuple[str, int, int]] = []
    attempts: list[StoredAttempt] = []
    skew: int | None = None
    engine: Engine | None = None
    engineId: str | None = None  # noqa: N815
    queue: str | None = None
    function: str | None = None
    worker: str | None = None
    state: State | None = None
    errorType: str | None = None  # noqa: N815
    due: int | None = None
    enqueued: int | None = None
    tags: list[str] = []


unpack = msgspec.msgpack.Decoder(Stored).decode
"""A record as it lies in the store. Raises msgspec.DecodeError."""
_read_attempts = msgspec.json.Decoder(list[StoredAttempt]).decode


def from_record(number: int, record: object) -> Job | DamagedJob:
    """The job of a record in the store; damaged where there is none or it can't be read."""
    if not isinstance(record, bytes):
        return DamagedJob(number)
    try:
        return _job(number, unpack(record))
    except (ValueError, TypeError, KeyError, OverflowError):
        return DamagedJob(number)


def _job(number: int, stored: Stored) -> Job:
    return Job(
        number=number,
        id=stored.id,
        agent=stored.agent,
        title=stored.title,
        video_id=stored.videoId,
        episode_id=stored.episodeId,
        published=stored.published,
        status=stored.status,
        stage=stored.stage,
        progress=stored.progress,
        message=stored.message,
        error=stored.error,
        failed_stage=stored.failedStage,
        result=stored.result,
        metadata=stored.metadata,
        attempt=stored.attempt,
        attempts=tuple(map(_attempt, stored.attempts)),
        stages=spans_of(stored.stages),
        created_at=from_ms(stored.created),
        started_at=_time_or_none(stored.started),
        finished_at=_time_or_none(stored.finished),
        updated_at=from_ms(stored.updated or stored.created),
        heard_at=_time_or_none(stored.heard),
        skew_seconds=stored.skew,
        engine=stored.engine,
        engine_id=stored.engineId,
        queue=stored.queue,
        function=stored.function,
        worker=stored.worker,
        state=stored.state,
        error_type=stored.errorType,
        due_at=_time_or_none(stored.due),
        enqueued_at=_time_or_none(stored.enqueued),
        tags=tuple(stored.tags),
    )


def _attempt(kept: StoredAttempt) -> Attempt:
    return Attempt(
        attempt=kept.attempt,
        status=kept.status,
        error=kept.error,
        failed_stage=kept.failedStage,
        progress=kept.progress,
        started_at=_time_or_none(kept.started),
        finished_at=_time_or_none(kept.finished),
        stages=spans_of(kept.stages),
    )


def attempts_of(text: str) -> tuple[Attempt, ...]:
    """Earlier attempts, from a JSON array of them as they are in the store. Raises ValueError, OverflowError."""
    return tuple(map(_attempt, _read_attempts(text)))


def spans_of(kept: list[tuple[str, int, int]]) -> tuple[StageSpan, ...]:
    """Stages, each with when it began and ended in ms, 0 while it goes on. Raises OverflowError."""
    return tuple(StageSpan(name, from_ms(start), _time_or_none(end)) for name, start, end in kept)


def from_ms(ms: float) -> datetime:
    """The time so many milliseconds after the epoch."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def _time_or_none(ms: float | None) -> datetime | None:
    return from_ms(ms) if ms else None


def to_ms(time: datetime) -> int:
    """Whole milliseconds since the epoch."""
    return (time - _EPOCH) // _MS
