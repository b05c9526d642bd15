"""What a job's page draws of it: the times of its stages, and its values as text to read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from panels._track import Kind, kind_of
from services.job_model import Job


@dataclass(frozen=True)
class StageLine:
    name: str
    started_at: datetime
    seconds: float | None
    """None while it goes on."""
    kind: Kind


@dataclass(frozen=True)
class JobView:
    stages: tuple[StageLine, ...]
    result: str | None
    metadata: str | None
    ran_s: float | None
    """From start to end; None where one of the two is not known."""
    waited_s: float | None


def of(job: Job) -> JobView:
    return JobView(
        stages=tuple(
            StageLine(stage.name, stage.started_at, stage.seconds, kind_of(job, at))
            for at, stage in enumerate(job.stages)
        ),
        result=_pretty(job.result),
        metadata=_pretty(job.metadata),
        ran_s=_between(job.started_at, job.finished_at),
        waited_s=_between(job.created_at, job.started_at),
    )


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else max((end - start).total_seconds(), 0.0)


def _pretty(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
