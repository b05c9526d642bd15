"""The archive of finished jobs as JSON: pages of a filter, and all of it as a file."""

from __future__ import annotations

import errno
import itertools
import re
import threading
import time
from collections.abc import Generator, Iterator

import msgspec
from flask import Blueprint, Response, request

from core import access
from core.database import DatabaseError
from core.problems import Problem
from core.site import Site
from routes import history_query, query, site
from routes.history_query import Asked
from routes.queue_api import archived_item
from services import archive_export, archive_search
from services.archive_export import FORMATS, Format
from services.archive_filter import Filter

bp = Blueprint("history_api", __name__, url_prefix="/api/v1/history")

MOST_ITEMS = 500


AT_ONCE = 2
"""Files that one process writes at a time: each keeps a connection to the database."""
STALL_S = 30.0
"""How long a download may hold a file up, in all, beyond the time that its bytes are worth."""
SLOWEST_BYTES_S = 16 * 1024
"""What it has to take in a second, on the whole."""
MIMETYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv"}

_slots = threading.BoundedSemaphore(AT_ONCE)


@bp.get("")
@access.scope("read")
def index() -> Response:
    """`{items, next_cursor}`, the newest end first."""
    chosen = history_query.read(request.args).filter
    limit = query.whole("limit", 50, MOST_ITEMS)
    before = history_query.place("cursor", request.args.get("cursor"))
    try:
        page = archive_search.page(site(), chosen, limit=limit, before=before)
    except DatabaseError as error:
        raise history_query.unavailable(error) from error
    answer = {"items": [archived_item(one) for one in page.items], "next_cursor": history_query.written(page.older)}
    return Response(msgspec.json.encode(answer), mimetype="application/json")


@bp.get("/export")
@access.scope("read")
def export() -> Response:
    """All jobs of a filter as a file, the oldest end first, in the fields that an upload takes."""
    asked = history_query.read(request.args)
    form = next((each for each in FORMATS if each == request.args.get("format")), None)
    if form is None:
        raise Problem(422, "Unprocessable field", f"format should be {' or '.join(FORMATS)}.", field="format")
    if not _slots.acquire(blocking=False):
        raise Problem(
            503,
            "Busy with other exports",
            f"{AT_ONCE} files at once are written. Ask for this one again when another is done.",
            headers={"Retry-After": "10"},
        )
    pieces = _pieces(site(), asked.filter, form)
    try:
        first = next(pieces)
    except DatabaseError as error:
        raise history_query.unavailable(error) from error
    response = Response(_after(first, pieces), content_type=f"{MIMETYPES[form]}; charset=utf-8")
    response.call_on_close(pieces.close)
    response.headers["Content-Disposition"] = f'attachment; filename="{_name(asked)}.{form}"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _pieces(of: Site, chosen: Filter, form: Format) -> Generator[bytes]:
    try:
        yield from archive_export.export(of, chosen, form)
    finally:
        _slots.release()


def _after(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """All pieces, while they are taken. One that takes hardly anything would keep others out, and a transaction open, for long."""
    left_s = STALL_S
    for piece in itertools.chain((first,), rest):
        began = time.monotonic()
        yield piece
        left_s = min(STALL_S, left_s - (time.monotonic() - began) + len(piece) / SLOWEST_BYTES_S)
        if left_s <= 0:
            raise BrokenPipeError(errno.EPIPE, "the client takes too little")


def _name(asked: Asked) -> str:
    """The name of a file that tells, roughly, what is in it."""
    told = "-".join(each for each in (asked.agent, asked.status, asked.q) if each)
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", told)[:60].strip("-.")
    return f"headway-history{plain and '-' + plain}"
