"""A job's page: whole at once, and its live part is asked for again while the page is open."""

from __future__ import annotations

from flask import Blueprint, Response, render_template

from core import access
from core.problems import Problem
from routes import archived, job_view, regions, site
from routes.regions import Content, region
from services import archived_jobs, broker_states, jobs_service, stage_times
from services.archive_rows import ArchivedJob
from services.brokers import actions
from services.job_changes import JobRef
from services.job_model import DamagedJob, Job
from services.job_search import LARGEST_NUMBER

bp = Blueprint("jobs", __name__, url_prefix="/dashboard/jobs")


@bp.get("/<int:number>")
@access.scope("read")
def job(number: int) -> str:
    found = _job(number)
    if isinstance(found, DamagedJob):
        return render_template("job_damaged.html", number=number)
    found = found.job if isinstance(found, ArchivedJob) else found
    state, logs = regions.show("job", str(number)), regions.show("job-logs", str(number))
    return render_template("job.html", job=found, state=state, logs=logs)


@bp.get("/<int:number>/state")
@access.scope("read")
def job_state(number: int) -> Response:
    return regions.answer("job", str(number))


@region("job", every=2, topics=lambda argument: (f"job:{regions.number_of(argument)}",))
def _state(argument: str) -> Content:
    found = _job(regions.number_of(argument))
    if isinstance(found, DamagedJob):
        return Content(render_template("components/damaged.html"), resting=True)
    held, found = (found, found.job) if isinstance(found, ArchivedJob) else (None, found)
    usual = stage_times.of(site(), [found.agent])[found.agent]
    view = job_view.of(found, usual, site().clock())
    can = None if held else actions.possible_of_job(site(), found)
    away = broker_states.away(site(), [found.agent]).values() if found.engine and not held else ()
    html = render_template("components/job_state.html", job=found, view=view, archived=held, can=can, away=[*away])
    if held:
        return Content(html, resting=True)
    # What failed is often tried again, and a broker comes back.
    return Content(html, resting=found.status == "completed" and not away)


def _job(number: int) -> Job | DamagedJob | ArchivedJob:
    found = jobs_service.get(site(), JobRef(number=number)) if 0 < number <= LARGEST_NUMBER else None
    if found is not None:
        return found
    held = archived.sought(str(number), lambda of: archived_jobs.get(of, number))
    if held is None:
        words = f"No job has the number {number}, neither live nor archived. Look for it under History."
        raise Problem(404, "No such job", words)
    return held
