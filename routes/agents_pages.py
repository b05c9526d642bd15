"""The list of agents and an agent's page. What an agent never had is not on its page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, render_template, request

from core import access
from core.problems import Problem
from panels._estimates import outlooks
from panels._waterfall import Chart, by_clock, by_length
from routes import regions, site
from routes.job_list import Active
from routes.regions import Content, region
from services import agent_list, agents_service, jobs_service, workflow_service
from services.agent_model import Backfill, Video
from services.agents_service import Episodes
from services.job_model import Job
from services.jobs_service import AgentCounts
from services.workflow_service import Lane

bp = Blueprint("agents_pages", __name__, url_prefix="/dashboard/agents")

LIMIT = 50
MOST_PAGES = 200
JOBS = 10
MADE = 10
"""Episodes of either kind, videos and backfills on an agent's page."""


@dataclass(frozen=True)
class Made:
    """What an agent made and saw lately, newest first."""

    published: Episodes
    unpublished: Episodes
    backfills: tuple[Backfill, ...]
    videos: tuple[Video, ...]


@bp.get("", strict_slashes=False)
@access.scope("read")
def listing() -> str:
    number = _page_number(request.args.get("page", "1"))
    return render_template("agents.html", rows=regions.show("agents", str(number)), number=number)


@bp.get("/rows")
@access.scope("read")
def listing_rows() -> Response:
    return regions.answer("agents", str(_page_number(request.args.get("page", "1"))))


@bp.get("/<agent>")
@access.scope("read")
def one(agent: str) -> str:
    """`?times=clock` draws the workflow by the clock."""
    times = request.args.get("times", "lengths")
    if times not in WORKFLOWS:
        raise Problem(400, "Unknown times", f"times should be one of {', '.join(WORKFLOWS)}.")
    _known(agent)
    names = [name for name in PARTS if name not in WORKFLOWS.values() or name == WORKFLOWS[times]]
    parts = [(name, regions.show(PARTS[name], agent)) for name in names]
    return render_template("agent.html", agent=agent, parts=parts)


@bp.get("/<agent>/<any(state, workflow, clock, jobs, made):part>")
@access.scope("read")
def part(agent: str, part: str) -> Response:
    return regions.answer(PARTS[part], agent)


def _topics(argument: str) -> tuple[str, ...]:
    _page_number(argument)
    return ("jobs", "agents")


@region("agents", every=5, topics=_topics)
def _rows(argument: str) -> Content:
    number = _page_number(argument)
    page = agent_list.page(site(), limit=LIMIT, skip=(number - 1) * LIMIT)
    last = min(max(-(-page.total // LIMIT), 1), MOST_PAGES)
    return Content(render_template("components/agent_rows.html", page=page, number=number, last=last))


@region("agent", every=2, topics=lambda agent: (f"agent:{agent}",))
def _state(agent: str) -> Content:
    counts, stats = _known(agent), agents_service.stats(site(), agent)
    page = jobs_service.page(site(), status="processing", agent=agent, limit=JOBS, after=0)
    jobs = page.items[::-1]
    active = Active(jobs, outlooks(site(), jobs), page.total, counts.queued)
    return Content(render_template("components/agent_state.html", counts=counts, stats=stats, active=active))


@region("agent-jobs", every=5, topics=lambda agent: (f"agent:{agent}",))
def _jobs(agent: str) -> Content:
    page = jobs_service.page(site(), agent=agent, limit=JOBS)
    seen = outlooks(site(), [job for job in page.items if isinstance(job, Job) and job.status == "processing"])
    return Content(render_template("components/agent_jobs.html", agent=agent, page=page, outlooks=seen))


def _never(agent: str) -> tuple[str, ...]:
    """It tells of a hundred jobs, so it is not read anew for each event of one of them."""
    return ()


@region("agent-workflow", every=2, topics=_never)
def _by_length(agent: str) -> Content:
    return _workflow(agent, by_length, "lengths")


@region("agent-clock", every=2, topics=_never)
def _by_clock(agent: str) -> Content:
    return _workflow(agent, by_clock, "clock")


def _workflow(agent: str, draw: Callable[[list[Lane]], Chart], times: str) -> Content:
    flow = workflow_service.of_agent(site(), agent)
    chart = draw([lane for _, lane in flow.jobs])
    jobs = {id(lane): job for job, lane in flow.jobs}
    rows = [(jobs[id(row.lane)], row) for row in chart.rows]
    html = render_template(
        "components/agent_workflow.html", agent=agent, flow=flow, chart=chart, rows=rows, times=times
    )
    return Content(html)


@region("agent-made", every=5, topics=lambda agent: (f"agent:{agent}",))
def _made(agent: str) -> Content:
    made = Made(
        published=agents_service.episodes(site(), agent, published=True, limit=MADE),
        unpublished=agents_service.episodes(site(), agent, published=False, limit=MADE),
        backfills=agents_service.backfills(site(), agent, limit=MADE),
        videos=agents_service.videos(site(), agent, limit=MADE),
    )
    return Content(render_template("components/agent_made.html", agent=agent, made=made, moment=_moment))


PARTS = {
    "state": "agent",
    "jobs": "agent-jobs",
    "workflow": "agent-workflow",
    "clock": "agent-clock",
    "made": "agent-made",
}
WORKFLOWS = {"lengths": "workflow", "clock": "clock"}
"""The part that draws the workflow, by what the page is asked for."""


def _known(agent: str) -> AgentCounts:
    found = agent_list.one(site(), agent)
    if found is None:
        raise Problem(
            404,
            "No such agent",
            f"No agent is called {agent[:128]!r}. It leaves with the last of its jobs: see the agents.",
        )
    return found


def _moment(text: str | None) -> datetime | None:
    """The moment that a text tells; None for a date alone, and for what the store should not hold."""
    try:
        return datetime.fromisoformat(text) if text and "T" in text else None
    except ValueError:
        return None


def _page_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST_PAGES):
        raise Problem(400, "Unknown page", f"page should be a number from 1 to {MOST_PAGES}.")
    return int(text)
