"""Jobs of the store and of the archive as JSON, found by one search."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, Response, request

from core import access
from core.problems import Problem
from routes import job_query_view, query, site
from routes.queue_api import archived_item, item
from services import job_list_model, job_lists, job_query
from services.job_list_model import Item
from services.job_query import QueryFault

bp = Blueprint("jobs_api", __name__, url_prefix="/api/v1/jobs")

MOST_ITEMS = 500


@bp.get("")
@access.scope("read")
def index() -> Response:
    """`{items, next_cursor, total, notes}`, newest first; `total` is null where only a walk of all could tell."""
    try:
        asked = job_query.parse(request.args.get("q", ""))
    except QueryFault as fault:
        raise job_query_view.unreadable(fault) from fault
    try:
        before = job_list_model.read(request.args["cursor"]) if request.args.get("cursor") else None
    except ValueError as fault:
        words = "cursor should be one that an answer gave: leave it out to begin at the newest."
        raise Problem(422, "Unprocessable field", words, field="cursor") from fault
    page = job_lists.page(site(), asked, before=before, limit=query.whole("limit", 50, MOST_ITEMS))
    answer = {
        "items": [_item(one) for one in page.items],
        "next_cursor": job_list_model.written(page.older),
        "total": page.total.jobs,
        "notes": page.notes,
    }
    return Response(msgspec.json.encode(answer), mimetype="application/json")


def _item(one: Item) -> dict[str, Any]:
    return item(one.job) if one.archived is None else archived_item(one.archived)
