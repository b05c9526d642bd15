"""Dialect Q's streams: every job's progress as it is reported, one job's, an agent's, and how the streams fare."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Response, current_app, jsonify, request

from core import access
from routes import queue_api, site, streaming
from services import jobs_service, stream_stats_service
from services.job_model import Job
from services.progress_streams import LIMIT, ProgressStreams

bp = Blueprint("progress_api", __name__, url_prefix="/api/v1/progress")


def _streams() -> ProgressStreams:
    return cast(ProgressStreams, current_app.extensions["headway.progress"])


@bp.get("/stream")
@access.scope("read", ticket=True)
def stream() -> Response:
    """All jobs, or with `?agent=` those of one agent."""
    agent = request.args.get("agent")
    return streaming.respond(_streams().of_agent(agent[:128]) if agent else _streams().all_jobs())


@bp.get("/stream/<ref>")
@access.scope("read", ticket=True)
def stream_of_one(ref: str) -> Response:
    """One job, its present state first. 404 for an unknown one."""
    asked = queue_api.ref_of(ref)
    number = asked.number
    if number is None:
        job = jobs_service.get(site(), asked)
        number = job.number if isinstance(job, Job) else None
    first = _streams().first_of(number) if number is not None else None
    if number is None or first is None:
        raise queue_api.unknown(ref)
    return streaming.respond(_streams().of_job(number, first))


@bp.get("/stats")
@access.scope("read")
def stats() -> Response:
    """Of all web processes: `{connected_clients, total_connections, events_sent, events_dropped, buffer_size, by_stream}`."""
    told = stream_stats_service.read(site())
    answer = jsonify(
        connected_clients=told.connected_clients,
        total_connections=told.total_connections,
        events_sent=told.events_sent,
        events_dropped=told.events_dropped,
        buffer_size=LIMIT,
        by_stream=told.by_stream,
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer
