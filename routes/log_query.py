"""What a request asks of the logs, behind the question mark of its address."""

from __future__ import annotations

from flask import request

from core.fields import FieldError
from core.problems import Problem
from routes import query, queue_api, site
from services import log_jobs, log_rules
from services.job_rules import DEFAULT_AGENT
from services.log_model import LEVELS, Level, LineId, line_id
from services.logs_service import LogQuery

USUAL, MOST = 100, 1_000
MOST_TEXT = 200
"""Characters of `q`."""


def asked(usual: int = USUAL, most: int = MOST) -> LogQuery:
    """Raises Problem: 422 for what is no such value, 404 for a job's number that there is not; and redis.RedisError."""
    return LogQuery(
        source=request.args.get("source") or None,
        level=_level(request.args.get("level")),
        q=_text(request.args.get("q", "")),
        job=_job(request.args.get("job"), request.args.get("agent")),
        since=query.moment("since"),
        until=query.moment("until"),
        before=_id("cursor"),
        after=_id("after"),
        limit=query.whole("limit", usual, most),
    )


def _level(text: str | None) -> Level | None:
    try:
        return LEVELS[log_rules.level(text)] if text else None
    except FieldError as fault:
        raise Problem(422, "Unknown level", f"{fault}.", field="level") from fault


def _text(text: str) -> str:
    if len(text) > MOST_TEXT or "\0" in text:
        raise Problem(
            422, "Unprocessable field", f"q should be text of at most {MOST_TEXT} characters, without NUL.", field="q"
        )
    return text


def _job(ref: str | None, agent: str | None) -> tuple[str, str] | None:
    if not ref:
        if agent:
            raise Problem(422, "Unprocessable field", "agent goes with job: name both.", field="agent")
        return None
    try:
        link = log_rules.job(ref, agent or DEFAULT_AGENT)
    except FieldError as fault:
        raise Problem(422, "Unprocessable field", f"{fault}.", field="job") from fault
    if not isinstance(link.given, int):
        return link.agent, link.id
    found = log_jobs.names(site(), [link.given]).get(link.given)
    if found is None:
        raise queue_api.unknown(ref)
    return found


def _id(name: str) -> LineId | None:
    text = request.args.get(name)
    found = line_id(text) if text else None
    if text and found is None:
        raise Problem(422, "Unprocessable field", f"{name} should be the id of a log line.", field=name)
    return found
