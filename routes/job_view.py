"""What a job's page draws of it: the track of its stages, and its values as text to read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.job_model import Job, StageSpan

TRACK = 100.0
LEAST = 1.5
GAP = 0.4

Kind = Literal["done", "now", "bad"]


@dataclass(frozen=True)
class Segment:
    """A stage's part of the track, in hundredths of its width."""

    name: str
    x: float
    width: float
    kind: Kind


@dataclass(frozen=True)
class StageLine:
    name: str
    started_at: datetime
    seconds: float | None
    """None while it goes on."""
    kind: Kind


@dataclass(frozen=True)
class JobView:
    track: tuple[Segment, ...]
    stages: tuple[StageLine, ...]
    result: str | None
    metadata: str | None
    ran_s: float | None
    """From start to end; None where one of the two is not known."""
    waited_s: float | None


def of(job: Job) -> JobView:
    return JobView(
        track=_track(job),
        stages=tuple(StageLine(stage.name, stage.started_at, stage.seconds, _kind(job, i)) for i, stage in enumerate(job.stages)),
        result=_pretty(job.result),
        metadata=_pretty(job.metadata),
        ran_s=_between(job.started_at, job.finished_at),
        waited_s=_between(job.created_at, job.started_at),
    )  # fmt: skip


def _kind(job: Job, at: int) -> Kind:
    if at < len(job.stages) - 1 or job.status == "completed":
        return "done"
    return "bad" if job.status == "failed" else "now"


def _track(job: Job) -> tuple[Segment, ...]:
    """What is done, divided among the stages by the time each took; a stage too short to see is widened."""
    if not job.stages:
        kind: Kind = "bad" if job.status == "failed" else "done"
        return (Segment(job.status, 0.0, job.progress, kind),) if job.progress else ()
    shares = _shares(job.stages, job.updated_at)
    room = max(job.progress, LEAST * len(shares))
    widths = [max(LEAST, share * room) for share in shares]
    scale = min(room, TRACK) / sum(widths)
    segments, x = list[Segment](), 0.0
    for at, (stage, width) in enumerate(zip(job.stages, widths, strict=True)):
        segments.append(Segment(stage.name, round(x, 2), round(max(width * scale - GAP, 0.2), 2), _kind(job, at)))
        x += width * scale
    return tuple(segments)


def _shares(stages: Sequence[StageSpan], until: datetime) -> list[float]:
    lasted = [max(((stage.finished_at or until) - stage.started_at).total_seconds(), 0.0) for stage in stages]
    total = sum(lasted)
    return [seconds / total for seconds in lasted] if total else [1 / len(lasted)] * len(lasted)


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else max((end - start).total_seconds(), 0.0)


def _pretty(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
