"""Errors as JSON: failures of a span by what they have in common."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec
from flask import Blueprint, Response, request

from core import access
from core.database import DatabaseError
from core.problems import Problem
from core.times import rfc3339
from routes import errors_query, history_query, site
from routes.errors import FINGERPRINT
from services import errors_service
from services.errors_service import ErrorGroup
from services.windows import Window

bp = Blueprint("errors_api", __name__, url_prefix="/api/v1/errors")


@bp.get("")
@access.scope("read")
def index() -> Response:
    """`{from, to, step_seconds, failures, kinds, page, groups}`, MOST_GROUPS a page."""
    asked = errors_query.read(request.args)
    window = asked.choice.view(site().clock()).window
    try:
        found = errors_service.errors(site(), window, asked.which, asked.sort, asked.page)
    except DatabaseError as error:
        raise history_query.unavailable(error) from error
    body = _span(window) | {
        "failures": found.failures,
        "kinds": found.kinds,
        "page": asked.page,
        "groups": [_group(each) for each in found.groups],
    }
    return Response(msgspec.json.encode(body), mimetype="application/json")


@bp.get("/<fingerprint>")
@access.scope("read")
def one(fingerprint: str) -> Response:
    """A group; its example is a job, which tells the whole error."""
    window = errors_query.read(request.args).choice.view(site().clock()).window
    try:
        group = errors_service.group(site(), fingerprint, window) if FINGERPRINT.fullmatch(fingerprint) else None
    except DatabaseError as error:
        raise history_query.unavailable(error) from error
    if group is None:
        raise Problem(404, "No such error", "The archive has no failure of this fingerprint, or has none any more.")
    body = _span(window) | _group(group)
    return Response(msgspec.json.encode(body), mimetype="application/json")


def _span(window: Window) -> dict[str, Any]:
    return {"from": rfc3339(window.start), "to": rfc3339(window.end), "step_seconds": window.step_s}


def _group(group: ErrorGroup) -> dict[str, Any]:
    example = group.example
    return {
        "fingerprint": group.fingerprint,
        "error_type": group.error_type,
        "message": group.message,
        "failures": group.failures,
        "first_seen": rfc3339(group.first_seen_ms / 1000),
        "last_seen": rfc3339(group.last_seen_ms / 1000),
        "points": group.points,
        "agents": [_named(each) for each in group.agents],
        "queues": [_named(each) for each in group.queues],
        "functions": [_named(each) for each in group.functions],
        "example": {
            "queue_id": example.number,
            "id": example.id,
            "agent": example.agent,
            "title": example.title,
            "message": example.message,
        },
    }


def _named(named: errors_service.Named) -> dict[str, Any]:
    return {name: value for name, value in asdict(named).items() if value is not None}
