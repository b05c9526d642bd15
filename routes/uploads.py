"""Uploads of job history: the form and those who send files to it, the list, an upload's page, its rejected rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

from flask import Blueprint, Response, jsonify, redirect, render_template, request

from core import access
from core.problems import Problem
from core.times import rfc3339
from routes import regions, site, upload_body
from routes.regions import Content, region
from services import upload_export, uploads_service
from services.upload_records import KEPT_REJECTED, MOST_REJECTED
from services.uploads_service import Upload

bp = Blueprint("uploads", __name__, url_prefix="/dashboard/uploads")

LISTED = 100
SHOWN_REJECTED = 100
AT_ONCE = 2
LARGEST_NUMBER = 2**53
STATUS_OF_FAULT = {"bomb": 413, "too big": 413, "encoding": 415, "format": 415, "empty": 422, "damaged": 422}

_slots = threading.BoundedSemaphore(AT_ONCE)


@bp.get("", strict_slashes=False)
@access.scope("read")
def listing() -> str:
    who = access.caller()
    may_upload = who is not None and who.scope == "admin"
    return render_template("uploads.html", rows=regions.show("uploads"), may_upload=may_upload)


@bp.get("/rows")
@access.scope("read")
def listing_rows() -> Response:
    return regions.answer("uploads")


@bp.route("", methods=["POST", "PUT"], strict_slashes=False)
@access.scope("admin", "ingest", csrf="view")
def upload() -> Response:
    sent = upload_body.sent(access.check_csrf)
    if upload_body.is_form() and not sent.name:
        raise upload_body.no_file()
    with _slot():
        try:
            done = uploads_service.receive(site(), sent.name, _who(), sent.chunks, expected_bytes=sent.expected_bytes)
        except uploads_service.StoreAway as fault:
            raise _store_away(fault) from fault
    if upload_body.is_form():
        return redirect(_address(done.number), 303)  # type: ignore[return-value]
    return _answer(done)


@bp.get("/<int:number>")
@access.scope("read")
def one(number: int) -> str:
    return render_template("upload.html", upload=_upload(number), state=regions.show("upload", str(number)))


@bp.get("/<int:number>/state")
@access.scope("read")
def one_state(number: int) -> Response:
    return regions.answer("upload", str(number))


@bp.get("/<int:number>/rejected.csv")
@access.scope("read")
def rejected_csv(number: int) -> Response:
    _upload(number)
    lines = upload_export.as_csv(uploads_service.rejected(site(), number))
    first = next(lines) + next(lines, "")  # what the store has to say against it, it says before the answer begins
    response = Response(_after(first, lines), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="upload-{number}-rejected.csv"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _after(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


@contextmanager
def _slot() -> Iterator[None]:
    if not _slots.acquire(blocking=False):
        raise Problem(
            503,
            "Busy with other uploads",
            f"{AT_ONCE} files at once are taken. Send this one again when another is done.",
            headers={"Retry-After": "10"},
        )
    try:
        yield
    finally:
        _slots.release()


def _who() -> str:
    who = access.caller()
    if who is None or who.kind == "open":
        return "anyone"
    return f"{who.scope}, signed in" if who.kind == "session" else f"{who.scope} token"


def _address(number: int) -> str:
    return f"{request.script_root}/dashboard/uploads/{number}"


def _upload(number: int) -> Upload:
    found = uploads_service.get(site(), number) if 0 < number <= LARGEST_NUMBER else None
    if found is None:
        raise Problem(
            404, "No such upload", f"No upload has the number {number}. Old ones are forgotten: see the list."
        )
    return found


@region("uploads", every=2)
def _rows(_: str) -> Content:
    return Content(render_template("components/upload_rows.html", uploads=uploads_service.recent(site(), LISTED)))


@region("upload", every=2, topics=regions.numbered_by_interval)
def _state(argument: str) -> Content:
    found = _upload(regions.number_of(argument))
    rejected = list(islice(uploads_service.rejected(site(), found.number), SHOWN_REJECTED)) if found.rejected else []
    html = render_template(
        "components/upload_state.html",
        upload=found,
        rejected=rejected,
        most_rejected=MOST_REJECTED,
        kept_rejected=KEPT_REJECTED,
    )
    return Content(html, resting=found.is_over)


def _store_away(fault: uploads_service.StoreAway) -> Problem:
    words = str(fault)
    return Problem(
        507 if fault.full else 503,
        "Store full" if fault.full else "Store unavailable",
        f"{words[:1].upper()}{words[1:]}. Rows that came before are stored and stay. Send the whole file again later: "
        "nothing is stored twice.",
        headers={"Retry-After": "30" if fault.full else "5"},
        upload=_address(fault.number),
    )


def _answer(done: Upload) -> Response:
    """What a program is told: 201 and the upload, or what is wrong and the upload as far as it went."""
    told = {
        "number": done.number,
        "url": _address(done.number),
        "name": done.name,
        "state": done.state,
        "reason": done.reason,
        "format": done.format,
        "received_bytes": done.received_bytes,
        "accepted": done.accepted,
        "unchanged": done.unchanged,
        "rejected": done.rejected,
        "ignored": list(done.ignored),
        "sha256": done.sha256,
        "same_as": done.same_as,
        "started_at": rfc3339(done.started_at.timestamp()),
        "finished_at": rfc3339(done.finished_at.timestamp()) if done.finished_at else None,
    }
    if done.state in ("stored", "with errors"):
        response = jsonify(told)
        response.status_code = 201
    else:
        status = STATUS_OF_FAULT.get(done.fault or "", 400)
        reason = done.reason or ""
        detail = f"{reason[:1].upper()}{reason[1:]}."
        title = f"Upload {done.state}"
        response = jsonify({"type": "about:blank", "title": title, "status": status, "detail": detail, "upload": told})
        response.status_code = status
        response.content_type = "application/problem+json"
    response.headers["Location"] = _address(done.number)
    return response
