"""Dialect T's stream: the tiles' values at once and every five seconds, notifications and lines of logs as they come."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Response, current_app

from core import access
from routes import streaming
from services.stats_stream import StatsStream

bp = Blueprint("stats_stream", __name__)


@bp.get("/sse/stats")
@access.scope("read", ticket=True)
def stats() -> Response:
    """Unnamed values, and the named events `notification` and `log`."""
    return streaming.respond(cast(StatsStream, current_app.extensions["headway.stats"]).stream())
