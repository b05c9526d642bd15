"""The job list and a job's page. Both are whole at once, and their live part is asked for again while the page is open."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import cast
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, Response, redirect, render_template, request

from core import access
from core.database import DatabaseError
from core.problems import Problem
from panels._estimates import Outlook, outlooks
from routes import archived, job_view, regions, site
from routes.regions import Content, region
from services import archived_jobs, job_search, jobs_service, stage_times
from services.archive_rows import ArchivedJob
from services.brokers import actions
from services.job_changes import JobRef
from services.job_model import DamagedJob, Job
from services.job_rules import STATUSES, Status
from services.job_search import LARGEST_NUMBER
from services.jobs_service import JobPage

bp = Blueprint("jobs", __name__, url_prefix="/dashboard/jobs")

LIMIT = 50
ACTIVE = 10
"""Active jobs at the head of a page; the others are in the list."""
MOST_AGENTS = 50


@dataclass(frozen=True)
class Filter:
    """Which jobs the list shows, as its address says."""

    status: Status | None
    agent: str | None
    before: int | None
    after: int | None

    def query(self, **changes: object) -> str:
        """The query of this filter with changes; a change of filter begins at the newest again."""
        kept = {"status": self.status, "agent": self.agent, **changes}
        said = {name: value for name, value in kept.items() if value is not None}
        return f"?{urlencode(said)}" if said else ""

    @property
    def here(self) -> str:
        return self.query(before=self.before, after=self.after)

    @property
    def topics(self) -> tuple[str, ...]:
        """What the list changes with."""
        return ("jobs",) if self.agent is None else (f"agent:{self.agent}",)

    @property
    def narrows(self) -> bool:
        return self.status is not None or self.agent is not None

    @property
    def leads(self) -> bool:
        """Whether what is active stands above the list: it does where the list begins with the newest of every status."""
        return self.status is None and self.before is None and self.after is None


@dataclass(frozen=True)
class Active:
    """The newest jobs that are processed, then those that are queued, with what is to be expected of each by its number."""

    jobs: tuple[Job | DamagedJob, ...]
    outlooks: dict[int, Outlook]
    processing: int
    queued: int

    @property
    def total(self) -> int:
        return self.processing + self.queued


@bp.get("", strict_slashes=False)
@access.scope("read")
def listing() -> str | Response | tuple[str, int]:
    chosen = _filter(request.args)
    sought = (request.args.get("find") or "").strip()[:128]
    agents = [each.agent for each in jobs_service.agents(site(), MOST_AGENTS)]
    if sought and (number := _sought(sought, chosen.agent, agents)):
        return cast(Response, redirect(f"{request.script_root}/dashboard/jobs/{number}"))
    rows = regions.show("job-list", chosen.here[1:])
    active = regions.show("active-jobs", chosen.agent or "") if chosen.leads else None
    page = render_template(
        "jobs.html", chosen=chosen, statuses=STATUSES, agents=agents, rows=rows, active=active, sought=sought
    )
    return (page, 404) if sought else page


@bp.get("/active")
@access.scope("read")
def active_jobs() -> Response:
    return regions.answer("active-jobs", _filter(request.args).agent or "")


@bp.get("/rows")
@access.scope("read")
def listing_rows() -> Response:
    return regions.answer("job-list", _filter(request.args).here[1:])


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
    html = render_template("components/job_state.html", job=found, view=view, archived=held, can=can)
    if held:
        return Content(html, resting=True)
    # What failed is often tried again.
    return Content(html, resting=found.status == "completed")


@region("job-list", every=5, topics=lambda argument: _filter_of(argument).topics)
def _rows(argument: str) -> Content:
    chosen = _filter_of(argument)
    page = _page(chosen)
    seen = outlooks(site(), [job for job in page.items if isinstance(job, Job) and job.status == "processing"])
    return Content(render_template("components/job_rows.html", chosen=chosen, page=page, outlooks=seen))


@region("active-jobs", every=2, topics=lambda agent: (f"agent:{agent}",) if agent else ("jobs",))
def _active(agent: str) -> Content:
    processing = jobs_service.page(site(), status="processing", agent=agent or None, limit=ACTIVE)
    queued = jobs_service.page(site(), status="queued", agent=agent or None, limit=ACTIVE)
    jobs = (*processing.items, *queued.items)[:ACTIVE]
    active = Active(jobs, outlooks(site(), jobs), processing.total, queued.total)
    chosen = Filter(None, agent or None, None, None)
    return Content(render_template("components/active_jobs.html", active=active, chosen=chosen))


def _page(chosen: Filter) -> JobPage:
    page = jobs_service.page(
        site(), status=chosen.status, agent=chosen.agent, limit=LIMIT, before=chosen.before, after=chosen.after
    )
    if chosen.after is None:
        return page
    if page.previous_cursor is None and len(page.items) < LIMIT:
        # Walking up reached the newest before the page was full: the newest page is the fuller one.
        return jobs_service.page(site(), status=chosen.status, agent=chosen.agent, limit=LIMIT)
    if chosen.after == 0:
        return JobPage(page.items, None, page.previous_cursor, page.total)
    return page


def _sought(text: str, agent: str | None, agents: list[str]) -> int | None:
    """The number of the job that a reader named, live or archived."""
    number = job_search.find(site(), text, [agent] if agent else agents)
    if number is None:
        with suppress(DatabaseError):  # It is not found then, and the page says where else to look.
            found = archived_jobs.of_agent(site(), agent, text) if agent else archived_jobs.find(site(), text)
            number = found.job.number if found else None
    return number


def _job(number: int) -> Job | DamagedJob | ArchivedJob:
    found = jobs_service.get(site(), JobRef(number=number)) if 0 < number <= LARGEST_NUMBER else None
    if found is not None:
        return found
    held = archived.sought(str(number), lambda of: archived_jobs.get(of, number))
    if held is None:
        words = f"No job has the number {number}, neither live nor archived. Look for it under History."
        raise Problem(404, "No such job", words)
    return held


def _filter_of(argument: str) -> Filter:
    return _filter(dict(parse_qsl(argument)))


def _filter(query: Mapping[str, str]) -> Filter:
    status = query.get("status") or None
    if status is not None and status not in STATUSES:
        raise Problem(400, "Unknown status", f"status should be one of {', '.join(STATUSES)}.")
    before, after = _cursor("before", query.get("before")), _cursor("after", query.get("after"))
    return Filter(
        status,
        (query.get("agent") or "").strip()[:128] or None,
        before,
        None if before is not None else after,
    )


def _cursor(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= LARGEST_NUMBER):
        raise Problem(400, "Unknown page", f"{name} should be a job's number. Begin at the newest: /dashboard/jobs")
    return int(text)
