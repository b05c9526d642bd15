"""Two routes a panel, from its declaration: `/dashboard/api/NAME` (JSON) and `/dashboard/api/NAME-html` (the partial); a
third, `/dashboard/api/NAME.csv`, of those with lines.

The way of a poll that finds its panel unchanged is kept short: what is answered stands ready on the board.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import msgspec
from flask import Blueprint, Response, current_app, request

from core import access, metrics
from core.problems import Problem
from core.times import rfc3339
from panels import PANELS, Board, Panel, Shown, Unavailable
from panels._figures import as_csv
from routes import ranges

bp = Blueprint("panels_api", __name__, url_prefix="/dashboard/api")

JSON = "application/json"
HTML = "text/html; charset=utf-8"
CSV = "text/csv; charset=utf-8"


def board() -> Board:
    return cast(Board, current_app.extensions["headway.board"])


def _poll(panel: Panel) -> Callable[[], Shown]:
    """Reads the panel for one request and counts that."""
    refreshes = metrics.DASHBOARD_REFRESH.labels(panel=panel.name)
    events = metrics.HTMX_EVENTS.labels(panel=panel.name)

    def poll() -> Shown:
        shown = board().show(panel, ranges.choice()) if panel.windowed else board().poll(panel.name)
        refreshes.inc()
        if "HTTP_HX_REQUEST" in request.environ:
            events.inc()
        return shown

    return poll


def _json_view(panel: Panel) -> Callable[[], Response]:
    poll = _poll(panel)

    def view() -> Response:
        shown = poll()
        if shown.unavailable:
            raise _problem(panel, shown.unavailable)
        return _answer(shown, shown.json, shown.json_etag, JSON)

    return view


def _html_view(panel: Panel) -> Callable[[], Response]:
    poll = _poll(panel)

    def view() -> Response:
        shown = poll()
        return _answer(shown, shown.html, shown.html_etag, HTML)

    return view


def _csv_view(panel: Panel) -> Callable[[], Response]:
    def view() -> Response:
        choice = ranges.choice()
        shown = board().show(panel, choice)
        if shown.unavailable:
            raise _problem(panel, shown.unavailable)
        name = "-".join(
            [panel.name, choice.range or "span", *([f"with-{choice.compare}-before"] if choice.compare else [])]
        )
        response = Response(as_csv(panel.lines, msgspec.json.decode(shown.json)), content_type=CSV)
        response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
        return response

    return view


def _answer(shown: Shown, content: bytes, etag: str, kind: str) -> Response:
    asked = request.environ.get("HTTP_IF_NONE_MATCH")
    if asked and (asked == etag or request.if_none_match.contains_weak(etag[3:-1])):
        response = Response(status=304)
        del response.headers["Content-Type"]
    else:
        response = Response(content, content_type=kind)
    response.headers["ETag"] = etag
    if shown.resting:
        response.headers["Headway-Resting"] = "yes"
    response.headers["Server-Timing"] = f"panel;dur={shown.took_s * 1000:.2f}"
    if shown.unavailable and shown.unavailable.of_store:
        response.headers["Headway-Unavailable"] = shown.unavailable.reason
    return response


def _problem(panel: Panel, state: Unavailable) -> Problem:
    return Problem(
        503,
        f"{panel.title} unavailable",
        f"Unavailable, because {state.reason}. It is tried again whenever it is asked for, at most once a second.",
        headers={"Retry-After": str(panel.every)},
        panel=panel.name,
        reason=state.reason,
        since=rfc3339(state.since),
        last_good=None if state.good_at is None else rfc3339(state.good_at),
    )


for _panel in PANELS.values():
    bp.add_url_rule(f"/{_panel.name}", _panel.name, access.scope("read")(_json_view(_panel)))
    bp.add_url_rule(f"/{_panel.name}-html", f"{_panel.name}-html", access.scope("read")(_html_view(_panel)))
    if _panel.lines:
        bp.add_url_rule(f"/{_panel.name}.csv", f"{_panel.name}-csv", access.scope("read")(_csv_view(_panel)))
