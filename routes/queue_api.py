"""Dialect Q: jobs as JSON, to report them and to read them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
from flask import Blueprint, Response, request, url_for

from core import access
from core.problems import Problem
from core.store import StoreError, explain, full
from routes import archived, body, query, site
from services import archived_jobs, jobs_service
from services.archive_rows import ArchivedJob
from services.job_changes import JobRef
from services.job_model import Attempt, DamagedJob, Job, StageSpan
from services.job_rules import DEFAULT_AGENT, STATUSES, NewJob, Status, Update
from services.jobs_service import BatchReport
from services.progress_dialect import number

bp = Blueprint("queue_api", __name__, url_prefix="/api/v1/queue")

MOST_BATCH_LINES = 10_000
MOST_BATCH_BYTES = 8 * 1024 * 1024
MOST_ITEMS = 500


@bp.post("")
@access.scope("ingest")
def create() -> Response:
    """201 and the item; 200 and the item as it stands, `applied` false, where its id exists."""
    new = body.of(NewJob)
    outcome = jobs_service.create(site(), new)
    status = 201 if outcome.kind == "created" else 200
    return _written(outcome, status)


@bp.put("/<ref>")
@access.scope("ingest")
def update(ref: str) -> Response:
    """200 and the item; `applied` is false where the update was late, repeated, or came after the end."""
    new = body.of(Update)
    outcome = jobs_service.update(site(), ref_of(ref), new)
    if outcome.kind == "missing":
        raise unknown(ref)
    return _written(outcome, 200)


@bp.get("/<ref>")
@access.scope("read")
def show(ref: str) -> Response:
    """A job that the store has let go of comes from the archive, with `archived` true."""
    job = jobs_service.get(site(), ref_of(ref))
    return _answer(item(job) if job is not None else archived_item(_archived(ref)))


@bp.get("")
@access.scope("read")
def index() -> Response:
    """`{items, next_cursor, total}`, newest first."""
    page = jobs_service.page(
        site(),
        status=_status(request.args.get("status")),
        agent=request.args.get("agent") or None,
        limit=query.whole("limit", 50, MOST_ITEMS),
        before=query.whole("cursor", None, 2**53),
    )
    cursor = None if page.next_cursor is None else str(page.next_cursor)
    return _answer({"items": [item(job) for job in page.items], "next_cursor": cursor, "total": page.total})


@bp.post("/batch")
@access.scope("ingest")
def batch() -> Response:
    """`{accepted, rejected: [{line, detail}]}`. Past a limit, or with the store away, a problem says how far it came."""
    lines, report = body.Lines(MOST_BATCH_BYTES, MOST_BATCH_LINES), BatchReport()
    try:
        jobs_service.batch(site(), lines, report)
    except StoreError as error:
        status, title, wait_s = (507, "Store full", 30) if full(error) else (503, "Store unavailable", 5)
        raise Problem(
            status,
            title,
            f"Not all was stored, because {explain(error)}. Send the batch again: lines with an id count once.",
            headers={"Retry-After": str(wait_s)},
            **_told(report),
        ) from error
    if lines.stopped:
        raise Problem(413, "Batch too large", f"{lines.stopped} What was read is stored.", **_told(report))
    return _answer(_told(report))


def item(job: Job | DamagedJob) -> dict[str, Any]:
    """A job as dialect Q shows it."""
    if isinstance(job, DamagedJob):
        return {"queue_id": job.number, "damaged": True, "detail": "The job's record in the store can't be read."}
    return {
        "queue_id": job.number,
        "id": job.id,
        "agent": job.agent,
        "title": job.title,
        "status": job.status,
        "current_step": job.stage,
        "progress": number(job.progress),
        "message": job.message,
        "error": job.error,
        "failedStage": job.failed_stage,
        "result": _raw(job.result),
        "metadata": _raw(job.metadata),
        "attempt": job.attempt,
        "attempts": [_attempt(attempt) for attempt in job.attempts],
        "stages": _stages(job.stages),
        "created_at": _time(job.created_at),
        "started_at": _time(job.started_at),
        "finished_at": _time(job.finished_at),
        "updated_at": _time(job.updated_at),
        "clock_skew_seconds": job.skew_seconds,
        "queue": job.queue,
        "function": job.function,
        "worker": job.worker,
        "tags": list(job.tags),
        "error_type": job.error_type,
        "engine": job.engine,
        "engine_id": job.engine_id,
        "state": job.state,
        "due_at": _time(job.due_at),
        "enqueued_at": _time(job.enqueued_at),
    }


def archived_item(held: ArchivedJob) -> dict[str, Any]:
    """A job of the archive in the same shape, and that it is one."""
    return {**item(held.job), "archived": True}


def _archived(ref: str) -> ArchivedJob:
    agent = request.args.get("agent", DEFAULT_AGENT)
    by_number = ref.isascii() and ref.isdigit()
    found = archived.sought(
        ref, lambda of: archived_jobs.find(of, ref) if by_number else archived_jobs.of_agent(of, agent, ref)
    )
    if found is None:
        raise unknown(ref)
    return found


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "attempt": attempt.attempt,
        "status": attempt.status,
        "error": attempt.error,
        "failedStage": attempt.failed_stage,
        "progress": number(attempt.progress),
        "started_at": _time(attempt.started_at),
        "finished_at": _time(attempt.finished_at),
        "stages": _stages(attempt.stages),
    }


def _stages(stages: tuple[StageSpan, ...]) -> list[dict[str, Any]]:
    return [
        {"name": span.name, "started_at": _time(span.started_at), "finished_at": _time(span.finished_at)}
        for span in stages
    ]


def _time(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _raw(text: str | None) -> Any:
    """JSON text as the value that it holds; text that somebody else wrote into the record is shown as text."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def _written(outcome: jobs_service.Outcome, status: int) -> Response:
    if outcome.job is None or isinstance(outcome.job, DamagedJob):
        raise Problem(409, "Damaged job", f"This is not stored: {jobs_service.DAMAGED}.")
    answer = _answer({**item(outcome.job), "applied": outcome.kind != "kept"}, status)
    if status == 201:
        answer.headers["Location"] = url_for("queue_api.show", ref=str(outcome.job.number))
    return answer


def _answer(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, mimetype="application/json")


def _told(report: BatchReport) -> dict[str, Any]:
    rejected = [{"line": one.line, "detail": one.detail} for one in report.rejected]
    return {"accepted": report.accepted, "rejected": rejected}


def ref_of(text: str) -> JobRef:
    # Sixteen digits are more than any number given; no id is of digits alone, so what is longer is found nowhere.
    if text.isascii() and text.isdigit() and len(text) < 16:
        return JobRef(number=int(text))
    return JobRef(agent=request.args.get("agent", DEFAULT_AGENT), id=text)


def unknown(ref: str) -> Problem:
    where = "" if ref.isdigit() else f" of agent {request.args.get('agent', DEFAULT_AGENT)!r} (name another by ?agent=)"
    return Problem(404, "No such job", f"There is no job {ref[:128]!r}{where}. It may have been retired.")


def _status(text: str | None) -> Status | None:
    for status in STATUSES:
        if text == status:
            return status
    if text:
        raise Problem(422, "Unknown status", f"status should be one of {', '.join(STATUSES)}.", field="status")
    return None
