"""The list of jobs: one search over the store and the archive, whole at once, and followed while the page is open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import cast
from urllib.parse import parse_qsl, urlencode

import msgspec
from flask import Blueprint, Response, redirect, render_template, request

from core import access
from core.database import DatabaseError
from panels._estimates import Outlook, outlooks
from routes import history_view, job_query_view, regions, site
from routes.job_query_view import Asked
from routes.regions import Content, region
from services import (
    archived_jobs,
    broker_states,
    job_completion,
    job_list_model,
    job_lists,
    job_query,
    job_search,
    jobs_service,
    queue_figures,
)
from services.job_list_model import BOTTOM
from services.job_model import DamagedJob, Job
from services.job_query import JobQuery, QueryFault
from services.job_rules import STATUSES

bp = Blueprint("job_list", __name__, url_prefix="/dashboard/jobs")

LIMIT = 50
ACTIVE = 10
"""Jobs at work at the head of a page; the others are in the list."""
MOST_AGENTS = 50
ENGINE_STATES = ("scheduled", "retrying", "canceled")
"""States that have a link of their own where there are queues."""


@bp.app_template_filter("telling")
def _telling(error: str) -> str:
    """The line of an error that tells most."""
    return history_view.telling(error, None)


@dataclass(frozen=True)
class Active:
    """Jobs at work, the lowest numbers first so that each stays in its place, what is to be expected of each by its number, how many
    there are in all, and how many are queued."""

    jobs: tuple[Job | DamagedJob, ...]
    outlooks: dict[int, Outlook]
    processing: int
    queued: int


@dataclass(frozen=True)
class Misread:
    """What is typed and can't be read: before the fault, the fault itself, and behind it. `asks` is the part of why that asks for what
    was probably meant, `instead` the search with that; empty where nobody knows."""

    why: str
    asks: str
    before: str
    wrong: str
    behind: str
    instead: str


@bp.get("", strict_slashes=False)
@access.scope("read")
def listing() -> str | Response | tuple[str, int]:
    try:
        asked = job_query_view.read(request.args)
    except QueryFault as fault:
        typed = request.args.get("q", "")
        return _page(Asked(job_query_view.readable(typed)), typed=typed, fault=fault), 422
    sought = (request.args.get("find") or "").strip()[: job_query_view.MOST_REF]
    if sought and (number := _numbered(sought, asked.query.agent)):
        return cast(Response, redirect(f"{request.script_root}/dashboard/jobs/{number}"))
    page = _page(asked, sought=sought)
    return (page, 404) if sought else page


@bp.get("/active")
@access.scope("read")
def active_jobs() -> Response:
    return regions.answer("active-jobs", (request.args.get("agent") or "").strip()[: job_query_view.MOST_REF])


@bp.get("/brokers")
@access.scope("read")
def brokers() -> Response:
    return regions.answer("brokers", _agents_of(request.args.getlist("agent")))


@bp.get("/rows")
@access.scope("read")
def listing_rows() -> Response:
    return regions.answer("job-list", _asked(request.args).here[1:])


@bp.get("/complete")
@access.scope("read")
def complete() -> Response:
    """`{begin, end, options: [{text, label, says}]}`: what may stand instead of the characters from `begin` to `end`."""
    text = request.args.get("q", "")[: job_query.MOST_QUERY]
    at = request.args.get("at", "")
    place = min(int(at), len(text)) if at.isascii() and at.isdigit() and len(at) < 6 else len(text)
    return Response(msgspec.json.encode(job_completion.of(site(), text, place)), mimetype="application/json")


@region("job-list", every=5, topics=lambda argument: _asked_of(argument).topics)
def _rows(argument: str) -> Content:
    asked = _asked_of(argument)
    came = 0
    if asked.held is None:
        page = job_lists.page(site(), asked.query, before=asked.before, after=asked.after, limit=LIMIT)
    else:
        page, came = job_lists.held(site(), asked.query, asked.held, LIMIT)
    head = job_list_model.written(job_lists.head(asked.query, page)) if asked.is_first else None
    jobs = [item.job for item in page.items]
    seen = outlooks(site(), [job for job in jobs if isinstance(job, Job) and job.status == "processing"])
    held = {item.job.number for item in page.items if item.archived}
    away = broker_states.away(site(), asked.query.agent)
    html = render_template(
        "components/job_rows.html",
        asked=asked,
        page=page,
        jobs=jobs,
        held=held,
        away=away,
        outlooks=seen,
        oldest=BOTTOM,
        head=head,
        came=came,
        most=LIMIT,
    )
    return Content(html)


@region("brokers", every=5, topics=lambda argument: ())
def _brokers(argument: str) -> Content:
    """Those that can't be read: of the agents that the argument names, or all."""
    away = broker_states.away(site(), [agent for _, agent in parse_qsl(argument)])
    return Content(render_template("components/brokers_away.html", brokers=tuple(away.values())))


@region("active-jobs", every=2, topics=lambda agent: (f"agent:{agent}",) if agent else ("jobs",))
def _active(agent: str) -> Content:
    processing = jobs_service.page(site(), status="processing", agent=agent or None, limit=ACTIVE, after=0)
    queued = jobs_service.counts(site(), agent or None)["queued"]
    jobs = processing.items[::-1]
    active = Active(jobs, outlooks(site(), jobs), processing.total, queued)
    asked = Asked(JobQuery(agent=(agent,) if agent else ()))
    away = broker_states.away(site(), asked.query.agent)
    return Content(render_template("components/active_jobs.html", active=active, asked=asked, away=away))


def _page(asked: Asked, *, typed: str | None = None, sought: str = "", fault: QueryFault | None = None) -> str:
    agent, agents = "".join(asked.query.agent[:1]), _agents_of(asked.query.agent)
    misread = None
    if fault and typed is not None:
        end = fault.at + fault.length
        before, wrong, behind = typed[: fault.at], typed[fault.at : end] or " ", typed[end:]
        misread = Misread(str(fault), fault.asks, before, wrong, behind, fault.meant and before + fault.meant + behind)
    return render_template(
        "jobs.html",
        asked=asked,
        typed=str(asked.query) if typed is None else typed[: 2 * job_query.MOST_QUERY],
        misread=misread,
        states=(*STATUSES, *(ENGINE_STATES if queue_figures.named(site(), "queue", limit=1) else ())),
        keys=job_query.KEYS,
        sought=sought,
        opens=None if fault else _opens(asked.query),
        brokers=None if fault else regions.show("brokers", agents),
        brokers_query=f"?{agents}",
        rows=None if fault else regions.show("job-list", asked.here[1:]),
        active=regions.show("active-jobs", agent) if asked.leads and not fault else None,
        active_query=f"?agent={agent}" if agent else "",
    )


def _opens(query: JobQuery) -> int | None:
    """The job that a lone word names by its number or id, which somebody may have meant rather than a text."""
    is_lone = query.text and " " not in query.text and not query.without("text")
    return _numbered(query.text, ()) if is_lone else None


def _numbered(ref: str, agents: tuple[str, ...]) -> int | None:
    """The number of the job that a reader named, live or archived."""
    seen = agents or [each.agent for each in jobs_service.agents(site(), MOST_AGENTS)]
    number = job_search.find(site(), ref, seen)
    if number is None and site().database.is_begun:
        with suppress(DatabaseError):  # It is not found then, and the page says so.
            held = archived_jobs.of_agent(site(), agents[0], ref) if agents else archived_jobs.find(site(), ref)
            number = held.job.number if held else None
    return number


def _agents_of(agents: Iterable[str]) -> str:
    """The argument of the part that tells how their brokers stand."""
    return urlencode([("agent", agent) for agent in agents])


def _asked_of(argument: str) -> Asked:
    return _asked(dict(parse_qsl(argument)))


def _asked(args: Mapping[str, str]) -> Asked:
    try:
        return job_query_view.read(args)
    except QueryFault as fault:
        raise job_query_view.unreadable(fault) from fault
