"""Where who has a token gets a ticket for a stream."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from core import access
from core.tickets import LIFETIME_S

bp = Blueprint("tickets", __name__, url_prefix="/api/v1/tickets")


@bp.post("")
@access.scope("read")
def issue() -> Response:
    """`{ticket, expires_in}`: opens one stream by `?ticket=`, within so many seconds."""
    caller = access.caller()
    assert caller is not None  # noqa: S101  the gate let nobody else in
    answer = jsonify(ticket=access.gate().tickets.issue(caller), expires_in=LIFETIME_S)
    answer.status_code = 201
    answer.headers["Cache-Control"] = "no-store"
    return answer
