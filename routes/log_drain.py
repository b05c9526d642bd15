"""Heroku's log drain: `heroku drains:add https://headway:TOKEN@HOST/api/v1/logs/drain`."""

from __future__ import annotations

from flask import Blueprint, Response, request

from core import access
from core.metrics import LOG_DRAIN_FAULTS
from core.problems import Problem
from routes import body, site
from routes.logs_api import MOST_BYTES, MOST_LINES, answer, frame_of, stored
from services import log_rules, logplex
from services.log_intake import Intake, Maker
from services.logplex import DrainFault, Frame

bp = Blueprint("log_drain", __name__, url_prefix="/api/v1/logs/drain")

TYPE = "application/logplex-1"


@bp.post("")
@access.scope("ingest", password=True)
def drain() -> Response:
    """`{accepted, repeated}`. A delivery that is not whole is 400 and nothing of it is stored; one that came before is 200 and is
    not stored again. `?app=NAME` tells several apps apart, which all call themselves `app`."""
    if request.mimetype != TYPE:
        raise _refused("type", 415, "Wrong content type", f"Send {TYPE}, as Heroku's log drains do.")
    frame_id, count = frame_of("Logplex-Frame-Id"), _count()
    try:
        frames = logplex.frames(b"".join(body.chunks(MOST_BYTES)), count)
    except DrainFault as fault:
        words = str(fault)
        raise _refused(
            fault.reason, 400, "Broken delivery", f"{words[:1].upper()}{words[1:]}. Nothing was stored."
        ) from fault
    except Problem:
        LOG_DRAIN_FAULTS.labels(reason="body").inc()
        raise
    if len(frames) > MOST_LINES:
        raise _refused("size", 413, "Too many lines", f"At most {MOST_LINES:,} lines are taken at once.")
    intake, app = Intake(site()), request.args.get("app")
    for number, frame in enumerate(frames, 1):
        intake.add(number, _maker(frame, app))
    report = stored(intake, frame_id)
    if report.repeated:
        LOG_DRAIN_FAULTS.labels(reason="repeated").inc()
    return answer({"accepted": 0 if report.repeated else report.accepted, "repeated": report.repeated})


def _maker(frame: Frame, app: str | None) -> Maker:
    source = log_rules.source(f"{app or frame.app}/{frame.process}")
    return lambda now_ms, redactor: log_rules.made(frame.message, frame.level, source, frame.at, now_ms, redactor)


def _count() -> int | None:
    text = request.headers.get("Logplex-Msg-Count")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise _refused("count", 400, "Unreadable header", "Logplex-Msg-Count should be a whole number.")
    return int(text)


def _refused(reason: str, status: int, title: str, detail: str) -> Problem:
    LOG_DRAIN_FAULTS.labels(reason=reason).inc()
    return Problem(status, title, detail)
