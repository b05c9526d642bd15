"""What may be said about a job, whichever way it comes in: the fields, their types, their limits, for `core.fields.check`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from core.config.brokers import Engine
from core.fields import FieldError

Status = Literal["queued", "processing", "completed", "failed"]
STATUSES: tuple[Status, ...] = ("queued", "processing", "completed", "failed")
FINAL = ("completed", "failed")
State = Literal[
    "queued", "scheduled", "deferred", "reserved", "retrying", "started", "finished", "failed", "stopped", "canceled",
    "deleted",
]  # fmt: skip
"""What an engine says of a job. `scheduled` waits for a time, `deferred` for other jobs, `reserved` in a worker, `retrying` for another
attempt; `stopped` was ended at work, `canceled` before it, `deleted` is what its engine knows no longer and which had not ended."""
UNCOUNTED: tuple[State, ...] = ("canceled", "deleted")
"""Ends that are no failures: rates leave them out."""
ALL_STATES: tuple[str, ...] = (*get_args(State), "processing", "completed")
"""The states of queues' jobs, as the store's indexes have them: an engine's, or the status of jobs that their reporter tells of."""
DEFAULT_AGENT = "default"

MOST_METADATA = 16 * 1024
"""Bytes of a job's metadata or result as JSON."""
MOST_ATTEMPTS = 64 * 1024
"""Bytes of a job's earlier attempts as JSON."""


def _text(most: int, *, least: int = 0, pattern: str | None = None, says: str = "") -> Meta:
    words = says or f"text of at most {most:,} characters"
    return Meta(min_length=least, max_length=most, pattern=pattern, description=words)


# `\Z`, not `$`, which would let a newline at the end pass.
Agent = Annotated[
    str,
    _text(128, least=1, pattern=r"\A(?! )[^\x00-\x1f\x7f/]*(?<! )\Z",
          says="1 to 128 characters, no slash, no control character, no space at an end"),
]  # fmt: skip
JobId = Annotated[
    str,
    _text(128, least=1, pattern=r"\A(?!(?:\d+|batch|active)\Z)[A-Za-z0-9._:\-]+\Z",
          says="1 to 128 of letters, digits and ._:- but not all digits, not batch, not active"),
]  # fmt: skip
Stage = Annotated[str, _text(100, least=1, pattern=r"\A[^\x00-\x1f\x7f]*\Z", says="1 to 100 characters on one line")]
VideoId = Annotated[str, _text(200, least=1, pattern=r"\A[^\x00-\x1f\x7f]*\Z", says="1 to 200 characters on one line")]
EpisodeId = VideoId
Title = Annotated[str, _text(500)]
Name = Annotated[
    str,
    _text(200, least=1, pattern=r"\A(?! )[^\x00-\x1f\x7f]*(?<! )\Z",
          says="1 to 200 characters on one line, no space at an end"),
]  # fmt: skip
Tag = Annotated[
    str,
    _text(64, least=1, pattern=r"\A[^\s\x00-\x1f\x7f]*\Z", says="1 to 64 characters without a space"),
]  # fmt: skip
Tags = Annotated[tuple[Tag, ...], Meta(max_length=20, description="a list of at most 20 words")]
Message = Annotated[str, _text(4_000)]
ErrorText = Annotated[str, _text(16_000)]
Progress = Annotated[float, Meta(ge=0, le=100, description="a number from 0 to 100")]
Attempt = Annotated[int, Meta(ge=1, le=1_000_000, description="a whole number from 1 to 1,000,000")]
Seq = Annotated[int, Meta(ge=0, le=2**53, description="a whole number from 0 to 2^53")]
Number = Annotated[int, Meta(ge=1, le=2**53, description="a job's number, from 1 to 2^53")]
Time = Annotated[datetime, Meta(tz=True, description="a time with its zone, such as 2026-11-21T10:00:00Z")]
Metadata = Annotated[dict[str, Any], Meta(description="a JSON object")]


class Order(Struct, frozen=True, forbid_unknown_fields=True):
    """Where an update stands among those of its job."""

    attempt: Attempt | UnsetType = UNSET
    seq: Seq | UnsetType = UNSET
    timestamp: Time | UnsetType | None = UNSET


class NewJob(Order, frozen=True, forbid_unknown_fields=True):
    """What creates a job. Without an `id` it gets a UUID, without an `agent` it is of DEFAULT_AGENT."""

    title: Title | None = None
    id: JobId | None = None
    message: Message | None = None
    agent: Agent | None = None
    metadata: Metadata | None = None
    queue: Name | None = None
    function: Name | None = None
    worker: Name | None = None
    tags: Tags | None = None


class Update(Order, frozen=True, forbid_unknown_fields=True):
    """What changes a job. `stage` is another name for `current_step`; `tags` take the place of those before."""

    status: Status | UnsetType = UNSET
    current_step: Stage | None = None
    stage: Stage | None = None
    progress: Progress | UnsetType = UNSET
    message: Message | None = None
    error: ErrorText | None = None
    result: Any = None
    title: Title | None = None
    metadata: Metadata | None = None
    queue: Name | None = None
    function: Name | None = None
    worker: Name | None = None
    error_type: Name | None = None
    tags: Tags | None = None


class Line(Update, frozen=True, forbid_unknown_fields=True):
    """A line of a batch: with `queue_id`, or an `id` that exists, an update; any other creates a job."""

    queue_id: Number | UnsetType = UNSET
    id: JobId | None = None
    agent: Agent | None = None


class PastStage(Struct, frozen=True):
    name: Stage
    started_at: Time
    finished_at: Time | None = None


class PastAttempt(Struct, frozen=True):
    """An attempt before the one that a row tells of."""

    attempt: Attempt
    status: Status
    progress: Progress = 0
    error: ErrorText | None = None
    failed_stage: Stage | None = None
    started_at: Time | None = None
    finished_at: Time | None = None
    stages: Annotated[list[PastStage], Meta(max_length=100)] = []


class HistoryRow(Struct, frozen=True):
    """A job as a file of job history tells it. Unknown fields are left out by the reader of the file."""

    status: Status
    id: JobId
    agent: Agent = DEFAULT_AGENT
    title: Title | None = None
    stage: Stage | None = None
    progress: Progress | None = None
    message: Message | None = None
    error: ErrorText | None = None
    result: Any = None
    metadata: Metadata | None = None
    attempt: Attempt = 1
    created_at: Time | None = None
    started_at: Time | None = None
    finished_at: Time | None = None
    stages: Annotated[list[PastStage], Meta(max_length=100)] | None = None
    failed_stage: Stage | None = None
    attempts: Annotated[list[PastAttempt], Meta(max_length=20)] | None = None
    queue: Name | None = None
    function: Name | None = None
    video_id: VideoId | None = None
    episode_id: EpisodeId | None = None
    published: bool | None = None
    worker: Name | None = None
    tags: Tags | None = None
    error_type: Name | None = None
    state: State | None = None
    engine: Engine | None = None
    engine_id: Name | None = None
    enqueued_at: Time | None = None


def as_json(value: Any, field: str, most: int = MOST_METADATA) -> str:
    """`value` as JSON text for the store. Raises FieldError past `most` bytes."""
    data = msgspec.json.encode(value)
    if len(data) > most:
        raise FieldError(field, f"is {len(data)} bytes as JSON; {most} is the most")
    return data.decode()
