"""The archive of finished jobs as JSON: pages of a filter, and all of it as a file."""

from __future__ import annotations

import msgspec
from flask import Blueprint, Response, request

from core import access
from core.database import DatabaseError
from routes import history_query, query, site
from routes.queue_api import archived_item
from services import archive_search

bp = Blueprint("history_api", __name__, url_prefix="/api/v1/history")

MOST_ITEMS = 500


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
