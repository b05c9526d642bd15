"""What a job's page draws of it: the times of its stages, those to come, and its values as text to read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from panels._estimates import Outlook, outlook
from services.estimates_service import Estimate
from services.job_model import Job
from services.workflow_service import Kind, kind_of


@dataclass(frozen=True)
class StageLine:
    name: str
    kind: Kind
    """`room` for a stage to come."""
    started_at: datetime | None = None
    seconds: float | None = None
    """None while it goes on, and before it began."""
    going_since: datetime | None = None
    """When one that goes on began, by the site's own clock."""
    usual_s: float | None = None
    """How long it usually takes, of one that is not over."""


@dataclass(frozen=True)
class JobView:
    outlook: Outlook
    stages: tuple[StageLine, ...]
    result: str | None
    metadata: str | None
    ran_s: float | None
    """From start to end; None where one of the two is not known."""
    waited_s: float | None


def of(job: Job, estimate: Estimate | None, now: float) -> JobView:
    """`now` in seconds since the epoch; no estimate for a job that is queued or completed."""
    return JobView(
        outlook=outlook(job, estimate, now),
        stages=_lines(job, estimate or Estimate()),
        result=_pretty(job.result),
        metadata=_pretty(job.metadata),
        ran_s=_between(job.started_at, job.finished_at),
        waited_s=_between(job.created_at, job.started_at),
    )


def _lines(job: Job, estimate: Estimate) -> tuple[StageLine, ...]:
    lines = list[StageLine]()
    for at, stage in enumerate(job.stages):
        kind, goes_on = kind_of(job, at), stage.finished_at is None and not job.is_final
        usual_s = _coarse(estimate.steps[at].usual_s) if goes_on and estimate.steps else None
        since = stage.started_at + estimate.behind if goes_on else None
        lines.append(StageLine(stage.name, kind, stage.started_at, stage.seconds, since, usual_s))
    coming = estimate.steps[len(job.stages) :] if job.status == "processing" else ()
    return (*lines, *(StageLine(step.name, "room", usual_s=_coarse(step.usual_s)) for step in coming))


def _coarse(seconds: float) -> float:
    return round(seconds, 1 if seconds < 10 else None)


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else max((end - start).total_seconds(), 0.0)


def _pretty(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
