"""A job's stages as its progress bar: what is done, a segment a stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.job_model import Job, StageSpan

TRACK = 100.0
LEAST = 1.5
"""A stage too short to see is widened to so much, where there is room."""
GAP = 0.4
MOST_OF_A_SEGMENT = 0.3
"""Of a narrow segment, the gap after it takes no more than this share."""

Kind = Literal["done", "now", "bad"]


@dataclass(frozen=True)
class Segment:
    """A stage's part of the track, in hundredths of its width."""

    name: str
    x: float
    width: float
    kind: Kind


def kind_of(job: Job, at: int) -> Kind:
    """How the job's stage at this place stands."""
    if at < len(job.stages) - 1 or job.status == "completed":
        return "done"
    return "bad" if job.status == "failed" else "now"


def segments(job: Job) -> tuple[Segment, ...]:
    """The progress, divided among the stages by the time each took; together they are as wide as the progress."""
    if not job.stages:
        kind: Kind = "bad" if job.status == "failed" else "done"
        return (Segment(job.status, 0.0, round(job.progress, 2), kind),) if job.progress else ()
    room = min(max(job.progress, LEAST), TRACK)
    least = min(LEAST, room / len(job.stages))
    widths = [max(least, share * room) for share in _shares(job.stages, job.updated_at)]
    scale = room / sum(widths)
    drawn, x = list[Segment](), 0.0
    for at, (stage, width) in enumerate(zip(job.stages, widths, strict=True)):
        whole = width * scale
        gap = min(GAP, whole * MOST_OF_A_SEGMENT) if at < len(job.stages) - 1 else 0.0
        drawn.append(Segment(stage.name, round(x, 2), round(whole - gap, 2), kind_of(job, at)))
        x += whole
    return tuple(drawn)


def _shares(stages: Sequence[StageSpan], until: datetime) -> list[float]:
    lasted = [max(((stage.finished_at or until) - stage.started_at).total_seconds(), 0.0) for stage in stages]
    total = sum(lasted)
    return [seconds / total for seconds in lasted] if total else [1 / len(lasted)] * len(lasted)
