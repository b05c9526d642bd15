"""Whether this process lives, and whether it can be sent requests."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from core import access
from routes import site
from services import system_service

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@access.scope("public")
def live() -> Response:
    return _never_kept(jsonify(status="ok"))


@bp.get("/readyz")
@access.scope("public")
def ready() -> Response:
    """200 when requests can be answered; 503 with each part that does not serve, and why."""
    faults = system_service.faults(site())
    if not faults:
        return _never_kept(jsonify(status="ready"))
    answer = jsonify(status="unavailable", unavailable=faults)
    answer.status_code = 503
    answer.headers["Retry-After"] = "5"
    return _never_kept(answer)


def _never_kept(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    return answer
