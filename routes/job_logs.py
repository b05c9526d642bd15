"""The log lines of a job, as a part of its page."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, Response, render_template

from core import access
from core.database import DatabaseError
from routes import log_view, regions, site
from routes.regions import Content, region
from services import archived_jobs, jobs_service, logs_service
from services.job_changes import JobRef
from services.job_model import Job
from services.job_search import LARGEST_NUMBER

bp = Blueprint("job_logs", __name__, url_prefix="/dashboard/jobs")

SHOWN = 200
LATE_S = 60
"""How long after its end lines of a job may still come in."""


@bp.get("/<int:number>/logs")
@access.scope("read")
def of_job(number: int) -> Response:
    return regions.answer("job-logs", str(number))


@region("job-logs", every=2, topics=regions.numbered_by_interval)
def _logs(argument: str) -> Content:
    """Nothing where the job is over and has no lines, or is no longer there."""
    number = regions.number_of(argument)
    job = jobs_service.get(site(), JobRef(number=number)) if 0 < number <= LARGEST_NUMBER else None
    is_archived = job is None
    if job is None:
        with suppress(DatabaseError):  # The page's other part says so.
            archived = archived_jobs.get(site(), number)
            job = archived.job if archived else None
    if not isinstance(job, Job):
        return Content("", resting=True)
    lines = logs_service.of_job(site(), job.agent, job.id, limit=SHOWN)
    rows = log_view.render(list(reversed(lines)))
    html = render_template("components/job_logs.html", job=job, rows=rows, most=SHOWN)
    if is_archived:
        return Content(html, resting=True)
    # What failed is often tried again.
    ended_at = job.finished_at.timestamp() if job.finished_at and job.status == "completed" else None
    return Content(html, resting=ended_at is not None and (not rows or site().clock() - ended_at > LATE_S))
