"""Logs of dialect T: lines come in as JSON or NDJSON, and are searched."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from flask import Blueprint, Response, request

from core import access
from core.problems import Problem
from core.store import StoreError, explain, full
from core.times import rfc3339
from routes import body, log_query, site
from services import log_file, logs_service
from services.log_intake import Intake, Report

bp = Blueprint("logs_api", __name__, url_prefix="/api/v1/logs")

MOST_LINES = 10_000
MOST_BYTES = 8 * 1024 * 1024
MOST_JSON = 1024 * 1024
"""Bytes of a JSON body. NDJSON takes more: it is read a line at a time."""
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")
_KEY = re.compile(r"[\x21-\x7e]{1,128}")


@bp.post("")
@access.scope("ingest")
def ingest() -> Response:
    """`{accepted, rejected: [{line, detail}]}`. A single line that is wrong is a problem 422. All good lines of a request are
    stored, or none; one with an `Idempotency-Key` that was stored before is not stored again."""
    intake, stopped, alone = Intake(site()), None, False
    if request.mimetype in NDJSON:
        lines = body.Lines(MOST_BYTES, MOST_LINES)
        intake.add_text(lines)
        stopped = lines.stopped
    else:
        value = body.json_object(MOST_JSON)
        alone = not isinstance(value, list)
        values = [value] if alone else value
        if len(values) > MOST_LINES:
            raise Problem(413, "Too many lines", f"At most {MOST_LINES:,} lines are taken at once. None was stored.")
        intake.add_values(enumerate(values, 1))
    report = stored(intake, frame_of("Idempotency-Key"))
    if alone and report.rejected:
        detail = report.rejected[0].detail
        raise Problem(422, "Unprocessable field", f"{detail}.", field=detail.partition(":")[0])
    if stopped:
        raise Problem(413, "Too many lines", f"{stopped} What was read is stored.", **_told(report))
    return answer(_told(report))


@bp.get("")
@access.scope("read")
def search() -> Response:
    """`{items, next_cursor, complete, searched_back_to}`, newest first; with `?format=text` a file of lines, oldest first."""
    form = request.args.get("format") or "json"
    if form == "text":
        return _file()
    if form != "json":
        raise Problem(422, "Unprocessable field", "format should be json or text.", field="format")
    page = logs_service.search(site(), log_query.asked())
    back_to = page.looked_back_to
    return answer({
        "items": [logs_service.as_json(line) for line in page.lines],
        "next_cursor": None if page.next_cursor is None else str(page.next_cursor),
        "complete": page.complete,
        "searched_back_to": None if back_to is None else rfc3339(back_to),
    })  # fmt: skip


def _file() -> Response:
    asked = log_query.asked(log_file.MOST_LINES, log_file.MOST_LINES)
    response = Response(log_file.text(site(), asked), mimetype="text/plain")
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", asked.source or "")[:60].strip("-.")
    response.headers["Content-Disposition"] = f'attachment; filename="headway-logs{name and "-" + name}.txt"'
    return response


def stored(intake: Intake, frame: str | None = None, *, when_full: int = 507) -> Report:
    """Store what an intake holds. Raises Problem: 503, or `when_full` where the store has no room, with nothing accepted."""
    try:
        return intake.store(frame)
    except StoreError as error:
        is_full = full(error)
        raise Problem(
            when_full if is_full else 503,
            "Store full" if is_full else "Store unavailable",
            f"Nothing was stored, because {explain(error)}. Send the lines again"
            + (", and give the store more room or logs less ([retention] logs_mb)." if is_full else "."),
            headers={"Retry-After": "30" if is_full else "5"},
            accepted=0,
        ) from error


def frame_of(header: str) -> str | None:
    """The name that a sender gives to what it may send again, from a header. Raises Problem 400."""
    name = request.headers.get(header)
    if name is not None and not _KEY.fullmatch(name):
        raise Problem(400, "Unreadable header", f"{header} should be 1 to 128 visible characters of ASCII.")
    return None if name is None else f"{header.lower()}:{name}"


def answer(value: Any) -> Response:
    return Response(msgspec.json.encode(value), mimetype="application/json")


def _told(report: Report) -> dict[str, Any]:
    rejected = [{"line": one.line, "detail": one.detail} for one in report.rejected]
    return {"accepted": report.accepted, "rejected": rejected}
