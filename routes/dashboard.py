"""The page: every panel on one screen, whole at its first paint."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, render_template, request

from core import access
from panels import Choice
from routes import pages, ranges
from routes.panels_api import board
from services.windows import RANGES

bp = Blueprint("dashboard", __name__)
bp.app_context_processor(pages.around)


@bp.get("/")
@access.scope("read")
def home() -> Response:
    return redirect(f"{request.script_root}/dashboard/observability")  # type: ignore[return-value]


@bp.get("/dashboard/observability")
@access.scope("read")
def observability() -> str:
    choice = Choice(ranges.asked())
    panels = board().page(choice)
    failing = [shown.unavailable for _, shown in panels if shown.unavailable and shown.unavailable.of_store]
    reason = failing[0].reason if failing else None
    return render_template("observability.html", panels=panels, ranges=RANGES, choice=choice, store_reason=reason)
