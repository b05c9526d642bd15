"""What a job's page draws of it: its stages in time, those to come, and its values as text to read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from panels._estimates import Outlook, outlook
from panels._waterfall import Chart, of_job
from routes import history_view, job_call_view
from routes.job_call_view import CallView
from services import error_types, estimates_service, workflow_service
from services.job_model import Job
from services.stage_times import Usual


@dataclass(frozen=True)
class JobView:
    outlook: Outlook
    chart: Chart
    """Its stages, those to come too, in the first row; its earlier attempts in the others, latest first."""
    result: str | None
    metadata: str | None
    """What of it the page shows nowhere else."""
    call: CallView
    ran_s: float | None
    """From start to end; None where one of the two is not known."""
    waited_s: float | None
    similar: str
    """The query of the history page that finds failures like this one; empty where it tells no words."""
    error_said: str
    """What its error says besides its type, in a line; empty where that is all of it."""
    message: str | None
    """None where it only says the error once more."""


def of(job: Job, usual: Usual, now: float) -> JobView:
    """`usual` is what is known of its agent's stages; `now` in seconds since the epoch."""
    moment = datetime.fromtimestamp(now, UTC)
    call = job_call_view.of(job.metadata) if job.engine else CallView(rest=_pretty(job.metadata))
    told = estimates_service.estimate(job, usual, moment) if job.status in ("processing", "failed") else None
    return JobView(
        outlook=outlook(job, told, now),
        chart=of_job((workflow_service.present(job, moment, usual, told), *workflow_service.earlier(job))),
        result=_pretty(job.result),
        metadata=call.rest,
        call=call,
        ran_s=_between(job.started_at, job.finished_at),
        waited_s=_between(job.enqueued_at or job.created_at, job.started_at),
        similar=history_view.similar(job.error),
        error_said=error_types.said(job.error_type, job.error) if "\n" in (job.error or "").strip() else "",
        message=None if _repeats_its_error(job) else job.message,
    )


def _repeats_its_error(job: Job) -> bool:
    """Celery's message of a failure is the error's own text."""
    return job.error is not None and (job.message == job.error or (job.engine == "celery" and job.status == "failed"))


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else max((end - start).total_seconds(), 0.0)


def _pretty(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return job_call_view.pretty(json.loads(text))
    except (ValueError, RecursionError):
        return text
