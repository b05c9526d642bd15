"""Dialect A: agents and their jobs, videos, episodes and backfills as JSON."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from flask import Blueprint, Response, url_for

from core import access
from core.fields import FieldError, check
from core.problems import Problem
from routes import archived, body, query, site
from services import agent_json, agents_service, archived_jobs, job_rules, jobs_service
from services.agent_rules import AgentUpdate, BackfillFound, NewAgentJob, NewBackfill, NewVideo
from services.agents_service import Told
from services.job_model import DamagedJob
from services.jobs_service import Outcome

bp = Blueprint("agents", __name__, url_prefix="/agents")

MOST_AGENTS = 1000
MOST_ITEMS = 100
MOST_PAGES = 2**53


@bp.get("", strict_slashes=False)
@access.scope("read")
def index() -> Response:
    """`{agents}`, those that were last seen first."""
    found = agents_service.agents(site(), query.whole("limit", MOST_AGENTS, MOST_AGENTS))
    return _answer({"agents": [agent_json.agent(one) for one in found]})


@bp.get("/<agent>/jobs")
@access.scope("read")
def jobs(agent: str) -> Response:
    """`{jobs, total, page, totalPages}`, newest first; an agent that nobody heard of has none."""
    _check(agent)
    page, limit = _page()
    found = agents_service.jobs(site(), agent, limit=limit, skip=(page - 1) * limit)
    return _answer({"jobs": [agent_json.job(job) for job in found.jobs], **_pages(found.total, page, limit)})


@bp.get("/<agent>/jobs/active")
@access.scope("read")
def active(agent: str) -> Response:
    """`{jobs}`, those pending or processing."""
    _check(agent)
    return _answer({"jobs": [agent_json.job(job) for job in agents_service.active_jobs(site(), agent)]})


@bp.get("/<agent>/jobs/<ref>")
@access.scope("read")
def show(agent: str, ref: str) -> Response:
    _check(agent)
    """A job that the store has let go of comes from the archive, with `archived` true."""
    found = agents_service.get_job(site(), agent, ref)
    return _answer(agent_json.job(found) if found is not None else _archived(agent, ref))


@bp.get("/<agent>/stats")
@access.scope("read")
def stats(agent: str) -> Response:
    _check(agent)
    return _answer(agent_json.stats(agents_service.stats(site(), agent)))


@bp.get("/<agent>/episodes")
@access.scope("read")
def episodes(agent: str) -> Response:
    """`{episodes, total, page, totalPages}`, newest first; `?published=` asks for one kind."""
    _check(agent)
    page, limit = _page()
    published = query.boolean("published")
    found = agents_service.episodes(site(), agent, published, limit=limit, offset=(page - 1) * limit)
    return _answer(
        {"episodes": [agent_json.episode(one) for one in found.episodes], **_pages(found.total, page, limit)}
    )


@bp.post("/<agent>/jobs")
@access.scope("ingest")
def create(agent: str) -> Response:
    """201 and the job; 200 and the job as it stands, `applied` false, where its id exists."""
    _check(agent)
    new = body.of(NewAgentJob)
    outcome = agents_service.create_job(site(), agent, new)
    return _job(agent, outcome, 201 if outcome.kind == "created" else 200)


@bp.patch("/<agent>/jobs/<ref>")
@access.scope("ingest")
def update(agent: str, ref: str) -> Response:
    """200 and the job; `applied` is false where the update was late, repeated, or came after the end."""
    _check(agent)
    outcome = agents_service.update_job(site(), agent, ref, body.of(AgentUpdate))
    if outcome.kind == "missing":
        raise _unknown("job", agent, ref)
    return _job(agent, outcome, 200)


@bp.post("/<agent>/videos")
@access.scope("ingest")
def discover(agent: str) -> Response:
    """201 and the video; 200 and the video as it was discovered, `applied` false, where it was before."""
    _check(agent)
    told = agents_service.discover(site(), agent, body.of(NewVideo))
    return _told(told, agent_json.video)


@bp.post("/<agent>/backfills")
@access.scope("ingest")
def start_backfill(agent: str) -> Response:
    """201 and the backfill with its id; 200 and the backfill as it stands, `applied` false, where its id exists."""
    _check(agent)
    told = agents_service.start_backfill(site(), agent, body.of(NewBackfill))
    return _told(told, agent_json.backfill)


@bp.patch("/<agent>/backfills/<id>")
@access.scope("ingest")
def report_backfill(agent: str, id: str) -> Response:
    """200 and the backfill; `applied` is false where it was over already."""
    _check(agent)
    told = agents_service.report_backfill(site(), agent, id, body.of(BackfillFound))
    if told is None:
        raise _unknown("backfill", agent, id)
    return _told(told, agent_json.backfill)


class _Named(msgspec.Struct):
    agent: job_rules.Agent


def _check(agent: str) -> None:
    """Raises Problem 422 where no agent may have this name."""
    check(_Named, {"agent": agent})
    # What was no UTF-8 in the address reads so: it would be stored under another name than its sender meant.
    if "\ufffd" in agent:
        raise FieldError("agent", "should be UTF-8, percent-encoded")


def _page() -> tuple[int, int]:
    return query.whole("page", 1, MOST_PAGES), query.whole("limit", 20, MOST_ITEMS)


def _pages(total: int, page: int, limit: int) -> dict[str, int]:
    return {"total": total, "page": page, "totalPages": -(-total // limit)}


def _archived(agent: str, ref: str) -> dict[str, Any]:
    found = archived.sought(ref, lambda of: archived_jobs.of_agent(of, agent, ref))
    if found is None:
        raise _unknown("job", agent, ref)
    return {**agent_json.job(found.job), "archived": True}


def _job(agent: str, outcome: Outcome, status: int) -> Response:
    if outcome.job is None or isinstance(outcome.job, DamagedJob):
        raise Problem(409, "Damaged job", f"This is not stored: {jobs_service.DAMAGED}.")
    answer = _answer({**agent_json.job(outcome.job), "applied": outcome.kind != "kept"}, status)
    if status == 201:
        answer.headers["Location"] = url_for("agents.show", agent=agent, ref=outcome.job.id)
    return answer


def _told(told: Told[Any], shape: Any) -> Response:
    if told.value is None:
        raise Problem(409, "Damaged record", "This is not stored: its record in the store is damaged. Take another id.")
    status = 201 if told.kind == "created" else 200
    return _answer({**shape(told.value), "applied": told.kind != "kept"}, status)


def _unknown(what: Literal["job", "backfill"], agent: str, ref: str) -> Problem:
    return Problem(404, f"No such {what}", f"Agent {agent!r} has no {what} {ref[:128]!r}. It may have been retired.")


def _answer(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, mimetype="application/json")
