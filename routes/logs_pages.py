"""The page of log lines, and what an open viewer asks for: its lines under another filter, and what it missed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import cast

from flask import Blueprint, current_app, render_template, request

from core import access
from routes import log_view, site
from routes.feeds import Rows, feed
from routes.log_view import RANGES
from services import logs_service
from services.log_model import LEVELS
from services.log_tail import LogTail

bp = Blueprint("logs_pages", __name__, url_prefix="/dashboard/logs")

TAIL_S = 1.0
"""How long a stream waits until new lines are followed. A page that was told so too soon asks again with the next line."""


@bp.get("", strict_slashes=False)
@access.scope("read")
def page() -> str:
    return render_template("logs.html", **viewer(request.args))


@bp.get("/view")
@access.scope("read")
def view() -> str:
    """The viewer's lines alone, for a page whose filter was changed."""
    compact = request.args.get("compact") == "yes"
    limit = log_view.LIMIT_COMPACT if compact else log_view.LIMIT
    return render_template(
        "components/log_view.html", view=log_view.view(log_view.read(request.args), limit), compact=compact
    )


def viewer(query: Mapping[str, str], *, compact: bool = False) -> dict[str, object]:
    """The names that `components/log_viewer.html` uses."""
    limit = log_view.LIMIT_COMPACT if compact else log_view.LIMIT
    chosen = log_view.read(query)
    return {
        "view": log_view.view(chosen, limit),
        "chosen": chosen,
        "levels": LEVELS,
        "ranges": RANGES,
        "sources": [one.name for one in logs_service.sources(site())],
        "compact": compact,
    }


def _tail() -> Callable[[], None]:
    tail = cast(LogTail, current_app.extensions["headway.log_tail"])
    return partial(tail.wait, TAIL_S)


@feed("logs", ready=_tail)
def missed(after: str, query: Mapping[str, str]) -> Rows:
    chosen = log_view.read({name: query[name] for name in ("level", "source", "q") if name in query})
    page, newest = log_view.missed(chosen, log_view.line_id_of("after", after) if after else None)
    rows = tuple(log_view.render(list(reversed(page.lines))))
    return Rows(rows, newest, skipped=None if page.next_cursor else 0)
