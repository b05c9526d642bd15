"""What may be said of an agent's jobs, videos and backfills in dialect A, and how it changes a job."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from core.fields import FieldError
from core.times import rfc3339
from services import error_types, job_rules
from services.job_changes import Change
from services.job_model import to_ms
from services.job_rules import (
    EpisodeId,
    ErrorText,
    JobId,
    Message,
    Metadata,
    Progress,
    Stage,
    Title,
    VideoId,
)

PROGRESS_AT = {"downloading": 10, "speech_detection": 30, "ai_analysis": 50, "audio_processing": 70, "uploading": 90}
"""How far a job is, in percent, when it enters a stage of the first client."""

Word = Literal["pending", "processing", "completed", "failed"]
WORDS: dict[job_rules.Status, Word] = {
    "queued": "pending",
    "processing": "processing",
    "completed": "completed",
    "failed": "failed",
}
"""Status words of this dialect, by those of the store."""
_STATUS = {word: status for status, word in WORDS.items()}

Count = Annotated[int, Meta(ge=0, le=2**53, description="a whole number from 0 to 2^53")]
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d))?", re.ASCII)


class NewAgentJob(job_rules.Order, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What creates a job. Without an `id` it gets a UUID."""

    video_id: VideoId | None = None
    video_title: Title | None = None
    stage: Stage | None = None
    id: JobId | None = None
    message: Message | None = None
    metadata: Metadata | None = None


class AgentUpdate(job_rules.Order, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What changes a job. The episode and whether it is published may be told after the end."""

    stage: Stage | None = None
    progress: Progress | UnsetType = UNSET
    message: Message | None = None
    status: Annotated[Word, Meta(description=f"one of {', '.join(_STATUS)}")] | UnsetType = UNSET
    error: ErrorText | None = None
    episode_id: EpisodeId | None = None
    published: bool | UnsetType = UNSET


class NewVideo(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    video_id: VideoId
    title: Title | None = None
    published_at: str | None = None


class NewBackfill(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Without an `id` it gets a UUID."""

    total_videos: Count
    since: str | None = None
    id: JobId | None = None


class BackfillFound(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What a backfill found; with `completed` false so far, else in all."""

    total_found: Count
    total_enqueued: Count
    completed: bool = True


def creation(agent: str, new: NewAgentJob) -> Change:
    """Raises FieldError."""
    stage = None if new.stage == "queued" else new.stage
    return Change(
        "create",
        a=agent,
        i=new.id or str(uuid.uuid4()),
        t=new.attempt,
        q=new.seq,
        w=_ms(new.timestamp),
        g=stage,
        p=PROGRESS_AT.get(stage, UNSET) if stage else UNSET,
        l=new.video_title,
        m=new.message,
        d=None if new.metadata is None else job_rules.as_json(new.metadata, "metadata"),
        v=new.video_id,
    )


def update(agent: str, id: str, new: AgentUpdate) -> Change:
    """A stage alone brings the progress that is known of it."""
    progress = new.progress
    if progress is UNSET and new.stage and new.status in (UNSET, "processing"):
        progress = PROGRESS_AT.get(new.stage, UNSET)
    return Change(
        "update",
        a=agent,
        i=id,
        t=new.attempt,
        q=new.seq,
        w=_ms(new.timestamp),
        s=UNSET if new.status is UNSET else _STATUS[new.status],
        g=new.stage,
        p=progress,
        m=new.message,
        e=new.error,
        et=error_types.of(new.error),
        ep=new.episode_id,
        pub=new.published,
    )


def shown_stage(status: job_rules.Status, stage: str | None) -> str:
    """The stage that a job shows. In this dialect the ends are stages too, and so are waiting and work without one."""
    return status if status in job_rules.FINAL else stage or status


def moment(text: str | None, field: str) -> str | None:
    """A time in UTC, or a date, as it was sent; a time of another zone in UTC. Raises FieldError."""
    if text is None:
        return None
    try:
        if not _MOMENT.fullmatch(text):
            raise ValueError
        time = datetime.fromisoformat(text)
        return text if "T" not in text or text.endswith("Z") else rfc3339(time.astimezone(UTC).timestamp())
    except (ValueError, OverflowError) as fault:
        raise FieldError(
            field, "should be a time with its zone, such as 2026-11-21T10:00:00Z, or a date such as 2026-11-21"
        ) from fault


def _ms(time: datetime | UnsetType | None) -> int | None:
    return to_ms(time) if isinstance(time, datetime) else None
