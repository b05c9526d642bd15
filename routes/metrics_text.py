"""What Prometheus scrapes."""

from __future__ import annotations

from flask import Blueprint, Response, request

from core import access, exposition, metrics
from core.problems import Problem
from routes import site

bp = Blueprint("metrics_text", __name__)

OPENMETRICS = "application/openmetrics-text"
SCOPES = ("fleet", "instance")


@bp.get("/metrics")
@access.scope("metrics")
def scrape() -> Response:
    """The whole fleet's figures, or with `?scope=instance` this process's, in the format that was asked for."""
    scope = request.args.get("scope", "fleet")
    if scope not in SCOPES:
        raise Problem(400, "Unknown scope", "scope is fleet or instance: leave it out for the whole fleet")
    openmetrics = _wants_openmetrics()
    text = metrics.to_prometheus_format(site() if scope == "fleet" else None, openmetrics=openmetrics)
    answer = Response(text, content_type=exposition.OPENMETRICS if openmetrics else exposition.PLAIN)
    answer.headers["Vary"] = "Accept"
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _wants_openmetrics() -> bool:
    """Whether the caller names it and likes it no less than plain text. Versions don't matter: there is one of each."""
    liked = {"text/plain": 0.0, OPENMETRICS: 0.0}
    for kind, quality in request.accept_mimetypes:
        name = kind.partition(";")[0].strip().lower()
        name = "text/plain" if name in ("*/*", "text/*") else name
        liked[name] = max(liked.get(name, 0.0), quality)
    return 0 < liked[OPENMETRICS] >= liked["text/plain"]
