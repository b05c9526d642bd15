"""Dialect M: the figures as they are now and every two seconds, and how they were over time."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from flask import Blueprint, Response, current_app, request

from core import access
from routes import history_figures, ranges, site, streaming
from services import job_series_service, windows
from services.job_series_service import Point
from services.live_metrics_service import LiveMetrics

bp = Blueprint("live_metrics", __name__)


@bp.get("/events")
@access.scope("read", ticket=True)
def events() -> Response:
    """The present figures at once and every two seconds, and an event `job` on every change of a job's status."""
    return streaming.respond(cast(LiveMetrics, current_app.extensions["headway.live"]).stream())


@bp.get("/api/v1/metrics/jobs")
@access.scope("read")
def over_time() -> Response:
    """`{range, step_seconds, points}`, oldest first; `?range=` is one of those that the answer to a wrong one names. With `?by=` it
    tells of archived jobs instead, by what they have in common."""
    if request.args.get("by"):
        return history_figures.answer()
    series = job_series_service.series(site(), windows.of_range(ranges.asked(), site().clock()))
    answer = {
        "range": series.range,
        "step_seconds": series.step_s,
        "points": [_point(point) for point in series.points],
    }
    return Response(msgspec.json.encode(answer), mimetype="application/json")


def _point(point: Point) -> dict[str, Any]:
    return {
        "timestamp": point.at,
        "jobs": {"created": point.created, "completed": point.completed, "failed": point.failed},
        "rates": {"jobs_per_minute": point.jobs_per_minute, "success_rate": point.success_rate},
        "processing_time": point.took,
        "queue_depth": point.queue_depth,
    }
