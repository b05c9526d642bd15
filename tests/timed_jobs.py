"""Jobs as the store would tell them, whose times a test names."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from services.job_model import Job, StageSpan
from services.job_rules import Status

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
"""When each of these jobs was started."""

JOB = Job(
    number=1, id="a", agent="studio", title=None, status="queued", stage=None, progress=0.0, message=None, error=None,
    failed_stage=None, result=None, metadata=None, attempt=1, attempts=(), stages=(), created_at=NOON, started_at=NOON,
    finished_at=None, updated_at=NOON, heard_at=None, skew_seconds=None,
    video_id=None, episode_id=None, published=False,
)  # fmt: skip


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def timed(status: Status, progress: float, *stages: tuple[str, float], quiet_s: float = 0.0) -> Job:
    """A job whose stages took so many seconds each, the last of them up to its last update.

    That one goes on where the job does; `quiet_s` seconds of it have no update any more.
    """
    spans, at = list[StageSpan](), NOON
    for name, lasted in stages:
        end = at + timedelta(seconds=lasted)
        spans.append(StageSpan(name, at, end))
        at = end
    if spans and status == "processing":
        spans[-1] = replace(spans[-1], finished_at=None)
    return replace(
        JOB, status=status, progress=progress, stage=spans[-1].name if spans else None, stages=tuple(spans),
        updated_at=at - timedelta(seconds=quiet_s),
    )  # fmt: skip
