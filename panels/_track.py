"""A job's stages as its progress bar: a segment a stage, as wide as that stage usually takes, and how far it is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from services.estimates_service import Estimate
from services.job_model import Job, StageSpan
from services.workflow_service import Kind, kind_of

TRACK = 100.0
LEAST = 1.5
"""A stage too short to see is widened to so much, where there is room."""
GAP = 0.4
MOST_OF_A_SEGMENT = 0.3
"""Of a narrow segment, the gap after it takes no more than this share."""
BEGUN, UNFINISHED = 0.08, 0.92
"""The stage that goes on is never drawn emptier or fuller than this."""
COARSE = 0.05
"""What moves by time alone moves in steps of this share of its segment."""


@dataclass(frozen=True)
class Segment:
    """A part of the track, in hundredths of its width. `room` is drawn under what fills it."""

    name: str
    x: float
    width: float
    kind: Kind


def segments(job: Job, estimate: Estimate | None = None) -> tuple[Segment, ...]:
    """What to draw, from the ground up: with the stages to come as room where they are known, else the progress alone."""
    if estimate is not None and estimate.steps and job.status != "completed":
        return _planned(job, estimate)
    return (Segment("", 0.0, TRACK, "room"), *_told(job))


def _planned(job: Job, estimate: Estimate) -> tuple[Segment, ...]:
    steps, present = estimate.steps, len(job.stages) - 1
    spaces = _spaces([step.usual_s for step in steps], TRACK)
    rooms = [Segment(step.name, x, width, "room") for step, (x, width) in zip(steps, spaces, strict=True)]
    filled = [Segment(one.name, one.x, one.width, kind_of(job, at)) for at, one in enumerate(rooms[:present])]
    here = rooms[present]
    width = round(here.width * _share(job, here, estimate.share), 2)
    return (*rooms, *filled, Segment(here.name, here.x, width, kind_of(job, present)))


def _share(job: Job, here: Segment, by_time: float | None) -> float:
    """How full the present stage's segment is: to where the progress lies, or by time for a job that tells none."""
    stepped = round((by_time or 0.0) / COARSE) * COARSE
    share = (job.progress - here.x) / here.width if job.progress else stepped
    return min(max(share, BEGUN), UNFINISHED)


def _told(job: Job) -> tuple[Segment, ...]:
    """The progress, divided among the stages by the time each took; together they are as wide as the progress."""
    if not job.stages:
        kind: Kind = "bad" if job.status == "failed" else "done" if job.status == "completed" else "now"
        return (Segment(job.status, 0.0, round(job.progress, 2), kind),) if job.progress else ()
    room = min(max(job.progress, LEAST), TRACK)
    spaces = _spaces(_lasted(job.stages, job.updated_at), room)
    return tuple(
        Segment(stage.name, x, width, kind_of(job, at))
        for at, (stage, (x, width)) in enumerate(zip(job.stages, spaces, strict=True))
    )


def _spaces(seconds: Sequence[float], room: float) -> list[tuple[float, float]]:
    """`room` divided in proportion, as (x, width), with a gap after each but the last."""
    total = sum(seconds)
    shares = [one / total for one in seconds] if total else [1 / len(seconds)] * len(seconds)
    least = min(LEAST, room / len(shares))
    widened = [max(least, share * room) for share in shares]
    scale = room / sum(widened)
    wholes = [width * scale for width in widened]
    starts = accumulate(wholes[:-1], initial=0.0)
    gaps = [min(GAP, whole * MOST_OF_A_SEGMENT) for whole in wholes[:-1]] + [0.0]
    return [(round(x, 2), round(whole - gap, 2)) for x, whole, gap in zip(starts, wholes, gaps, strict=True)]


def _lasted(stages: Sequence[StageSpan], until: datetime) -> list[float]:
    return [max(((stage.finished_at or until) - stage.started_at).total_seconds(), 0.0) for stage in stages]
