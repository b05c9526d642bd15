"""The page of charts: what happened in a span of time that its reader chooses, all charts in step."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flask import Blueprint, render_template

from core import access
from core.store import StoreError
from panels import Choice
from routes import pages, ranges, site
from routes.panels_api import board
from services import chart_source, jobs_service
from services.windows import RANGES, Window

bp = Blueprint("charts", __name__, url_prefix="/dashboard/charts")
bp.app_context_processor(pages.around)

MOST_AGENTS = 100
COMPARES = ((None, "Nothing"), ("day", "Day before"), ("week", "Week before"))


@dataclass(frozen=True)
class Around:
    """What of the same width lies before and behind the span that is shown; None where there is nothing."""

    earlier: Choice | None
    later: Choice | None


@bp.get("")
@access.scope("read")
def charts() -> str:
    choice = ranges.choice()
    now = site().clock()
    window = choice.view(now).window
    shown = board().page(choice, "charts")
    failing = [one.unavailable for _, one in shown if one.unavailable and one.unavailable.of_store]
    return render_template(
        "charts.html",
        panels=shown,
        choice=choice,
        window=window,
        coarse=chart_source.coarse(site(), window),
        back=choice.but(over=ranges.asked()),
        around=_around(choice, window, now),
        ranges=RANGES,
        compares=COMPARES,
        agents=_agents(choice),
        store_reason=failing[0].reason if failing else None,
    )


def _around(choice: Choice, window: Window, now: float) -> Around:
    width_s = window.step_s * window.steps
    earlier, later = window.earlier(width_s), window.earlier(-width_s)
    known = earlier.start > now - chart_source.reach_s(site())
    return Around(
        choice.but(over=replace(earlier, range=None)) if known else None,
        choice.but(over=replace(later, range=None)) if choice.range is None and later.start < now else None,
    )


def _agents(choice: Choice) -> list[str]:
    """Those to choose from, the chosen one among them."""
    try:
        names = [each.agent for each in jobs_service.agents(site(), MOST_AGENTS)]
    except StoreError:
        names = []
    return names if choice.agent is None or choice.agent in names else [choice.agent, *names]
