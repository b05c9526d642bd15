"""The history page: finished jobs that the archive holds, searched and narrowed, with links to all that leads on."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from flask import Blueprint, render_template, request

from core import access
from core.database import DatabaseError
from core.store import StoreError
from routes import history_query, history_view, site
from routes.history_query import Asked
from services import archive_figures, archive_search, archive_service, jobs_service
from services.archive_figures import Figures
from services.archive_filter import OUTCOMES
from services.archive_service import Standing

log = logging.getLogger("headway.history")

bp = Blueprint("history", __name__, url_prefix="/dashboard/history")

LIMIT = 50
MOST_AGENTS = 50
BYS = ("agent", "function", "queue", "worker", "error", "stage", "outcome")
"""What the page shows figures by: hours are for programs, and for charts."""


@dataclass(frozen=True)
class Listing:
    """A page of jobs, and the cursors of those beside it."""

    rows: tuple[history_view.Row, ...]
    older: str | None
    newer: str | None


@dataclass(frozen=True)
class Told:
    """Figures of what was searched for, or why there are none."""

    figures: Figures | None
    fault: str = ""


@bp.get("", strict_slashes=False)
@access.scope("read")
def page() -> tuple[str, int]:
    asked = history_query.read(request.args)
    before = history_query.place("before", request.args.get("before"))
    after = None if before else history_query.place("after", request.args.get("after"))
    listing, fault = None, None
    try:
        found = archive_search.page(site(), asked.filter, limit=LIMIT, before=before, after=after)
        if after and found.newer is None and len(found.items) < LIMIT:
            # Walking up reached the newest before the page was full: the newest page is the fuller one.
            found = archive_search.page(site(), asked.filter, limit=LIMIT)
        pattern = history_view.pattern_of(asked)
        rows = tuple(history_view.row(one, pattern) for one in found.items)
        listing = Listing(rows, history_query.written(found.older), history_query.written(found.newer))
    except DatabaseError as error:
        log.warning("the history page can't be shown, because %s", error)
        fault = error
    by = request.args.get("by") or None
    told = _figures(asked, by) if by in BYS and fault is None else None
    html = render_template(
        "history.html",
        asked=asked,
        chosen=history_view.chosen(asked),
        times=history_view.times(asked),
        outcomes=OUTCOMES,
        agents=_agents(),
        listing=listing,
        fault=fault,
        folded=not any(getattr(asked, name) for name in history_view.MORE),
        wordless=bool(asked.q) and not asked.filter.sought,
        begun=before is not None or after is not None,
        standing=_standing(),
        bys=BYS,
        by=by,
        told=told,
    )
    return html, 503 if fault else 200


def _figures(asked: Asked, by: str) -> Told:
    """They take longer than a page of jobs, which stands without them."""
    try:
        return Told(
            archive_figures.figures(site(), asked.filter, next(each for each in archive_figures.BYS if each == by))
        )
    except DatabaseError as error:
        return Told(None, str(error))


def _standing() -> Standing | None:
    """How far the archive is; None while the store, which knows, is away."""
    try:
        return archive_service.standing(site())
    except StoreError:
        return None


def _agents() -> list[str]:
    """Names that the form offers; the page does not need the store for more."""
    try:
        return [each.agent for each in jobs_service.agents(site(), MOST_AGENTS)]
    except StoreError:
        return []
