"""Acting on jobs, queues and workers, for programs: on one at once, on many as an operation that goes on by itself."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response, url_for
from msgspec import Meta, Struct

from core import access
from core.fields import FieldError, check
from core.problems import Problem
from core.times import rfc3339
from routes import acting, body, query, site
from routes.queue_api import unknown
from services import (
    audit_service,
    jobs_service,
    matching_jobs,
    operation_previews,
    operation_records,
    operations_service,
)
from services.audit_service import Entry
from services.brokers import actions
from services.brokers.action_model import JobAction, QueueAction, Seen, WorkerAction, WorkerChange
from services.job_changes import JobRef
from services.job_model import Job
from services.job_rules import Name
from services.job_search import LARGEST_NUMBER
from services.operation_previews import Preview
from services.operation_records import Operation
from services.operations_service import MOST_CHOSEN

bp = Blueprint("actions_api", __name__, url_prefix="/api/v1")

MOST_AMOUNT = 100
Number = Annotated[int, Meta(ge=1, le=LARGEST_NUMBER)]
Numbers = Annotated[
    list[Number], Meta(min_length=1, max_length=MOST_CHOSEN, description=f"1 to {MOST_CHOSEN} numbers of jobs")
]
Query = Annotated[str, Meta(min_length=1, max_length=500)]
Rate = Annotated[
    str,
    Meta(pattern=r"\A\d{1,6}(\.\d{1,3})?(/[smh])?\Z", description="a rate such as 10/m or 0.5/s, or 0 for no limit"),
]


class JobAsked(Struct, forbid_unknown_fields=True):
    action: JobAction
    seen: Seen | None = None
    to: Name | None = None


class JobsAsked(Struct, forbid_unknown_fields=True):
    action: JobAction
    jobs: Numbers | None = None
    q: Query | None = None
    to: Name | None = None
    preview: bool = False


class QueueAsked(Struct, forbid_unknown_fields=True):
    action: QueueAction


class WorkerAsked(Struct, forbid_unknown_fields=True):
    action: WorkerAction
    amount: Annotated[int, Meta(ge=1, le=MOST_AMOUNT)] = 1
    task: Name | None = None
    rate: Rate | None = None


@bp.post("/jobs/<int:number>/actions")
@access.scope("admin")
def on_job(number: int) -> Response:
    """200 and what was done; 409 where it can't be, or the job is not what `seen` says; 503 where its engine is away."""
    asked = body.of(JobAsked)
    checked(asked.action, asked.to)
    if number > LARGEST_NUMBER or jobs_service.get(site(), JobRef(number=number)) is None:
        raise unknown(str(number))
    return _answer(acting.outcome(actions.on_job(site(), acting.who(), asked.action, number, asked.seen, asked.to)))


@bp.get("/jobs/<int:number>/actions")
@access.scope("read")
def of_job(number: int) -> Response:
    """Each action: null where it can be done, else why not."""
    job = jobs_service.get(site(), JobRef(number=number)) if number <= LARGEST_NUMBER else None
    if not isinstance(job, Job):
        raise unknown(str(number))
    return _answer({"state": job.state, "attempt": job.attempt, "actions": actions.possible_of_job(site(), job)})


@bp.post("/jobs/actions")
@access.scope("admin")
def on_jobs() -> Response:
    """202 and the operation; with `preview` 200 and what it would do."""
    asked = body.of(JobsAsked)
    checked(asked.action, asked.to)
    if (asked.jobs is None) == (asked.q is None):
        raise FieldError("jobs", "say one of jobs, a list of numbers, and q, a query")
    if asked.q is not None:
        conditions = matching_jobs.conditions(asked.q)
        if asked.preview:
            return _answer(preview(operation_previews.of_matching(site(), asked.action, conditions, asked.to)))
        number = operations_service.start_matching(site(), acting.who(), asked.action, conditions, asked.q, asked.to)
        return _begun(number)
    chosen = operations_service.look(site(), asked.jobs or ())
    if asked.preview:
        return _answer(preview(operation_previews.of_chosen(site(), asked.action, chosen, asked.to)))
    return _begun(operations_service.start_chosen(site(), acting.who(), asked.action, chosen, asked.to))


@bp.post("/queues/<agent>/<path:queue>/actions", merge_slashes=False)
@access.scope("admin")
def on_queue(agent: str, queue: str) -> Response:
    """As `on_job`; 404 where there is no such queue."""
    asked = body.of(QueueAsked)
    return _answer(acting.outcome(actions.on_queue(site(), acting.who(), asked.action, agent, queue)))


@bp.post("/workers/<agent>/<path:worker>/actions", merge_slashes=False)
@access.scope("admin")
def on_worker(agent: str, worker: str) -> Response:
    change = worker_change(body.of(WorkerAsked))
    return _answer(acting.outcome(actions.on_worker(site(), acting.who(), change, agent, worker)))


@bp.get("/operations")
@access.scope("read")
def operations() -> Response:
    """`{items}`, newest first."""
    return _answer({"items": [operation(one) for one in operation_records.recent(site())]})


@bp.get("/operations/<int:number>")
@access.scope("read")
def show(number: int) -> Response:
    return _answer(operation(found(number)))


@bp.post("/operations/<int:number>/stop")
@access.scope("admin")
def stop(number: int) -> Response:
    found(number)
    return _answer(acting.outcome(operations_service.stop(site(), acting.who(), number)))


@bp.get("/audit")
@access.scope("admin")
def audit() -> Response:
    """`{items, next_cursor}`, newest first."""
    page = audit_service.page(site(), query.whole("limit", 50, 500), query.whole("cursor", None, 2**53))
    cursor = None if page.next_cursor is None else str(page.next_cursor)
    return _answer({"items": [entry(one) for one in page.items], "next_cursor": cursor})


def worker_change(asked: WorkerAsked) -> WorkerChange:
    """Raises FieldError."""
    if asked.action == "limit" and asked.task is None:
        raise FieldError("task", "is missing: name the task that is to be limited")
    if asked.action == "limit" and asked.rate is None:
        raise FieldError("rate", "is missing: say such as 10/m, or 0 for no limit")
    return WorkerChange(asked.action, asked.amount, asked.task, asked.rate)


def asked_of_worker(form: dict[str, Any]) -> WorkerChange:
    """What a form asks for. Raises FieldError."""
    return worker_change(check(WorkerAsked, form))


def found(number: int) -> Operation:
    """Raises Problem 404."""
    one = operation_records.get(site(), number) if number <= LARGEST_NUMBER else None
    if one is None:
        raise Problem(404, "No such operation", f"There is no operation {number}. The last 100 are kept.")
    return one


def preview(one: Preview) -> dict[str, Any]:
    others = [{"why": why, "jobs": count} for why, count in one.others]
    return {"total": one.total, "can": one.can, "others": others, "exact": one.is_exact}


def operation(one: Operation) -> dict[str, Any]:
    asked, progress = one.asked, one.progress
    return {
        "id": asked.number,
        "action": asked.action,
        "to": asked.to,
        "jobs": asked.words,
        "expected": asked.expected,
        "state": "stopping" if one.is_stopping and progress.state == "running" else progress.state,
        "why": progress.why,
        "done": progress.done,
        "changed": progress.changed,
        "refused": progress.refused,
        "failed": progress.failed,
        "gone": progress.gone,
        "faults": [{"job": fault.job, "why": fault.why} for fault in progress.faults],
        "by": _who(asked.entry),
        "started_at": rfc3339(asked.at),
        "ended_at": None if progress.ended_at is None else rfc3339(progress.ended_at),
    }


def entry(one: Entry) -> dict[str, Any]:
    return {
        "number": one.number,
        "at": rfc3339(one.at),
        "by": _who(one),
        "action": one.what,
        "on": one.on,
        "result": one.result,
        "said": one.said,
        "settled_at": None if one.settled_at is None else rfc3339(one.settled_at),
    }


def _who(one: Entry) -> dict[str, str]:
    return {"kind": one.who.kind, "name": one.who.name, "address": one.who.address}


def checked(action: JobAction, to: str | None) -> None:
    """Raises FieldError."""
    if (action == "move") != (to is not None):
        raise FieldError("to", "names the queue that jobs are moved to, with the action move and no other")


def _begun(number: int) -> Response:
    answer = _answer(operation(found(number)), 202)
    answer.headers["Location"] = url_for("actions_api.show", number=number)
    return answer


def _answer(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, mimetype="application/json")
