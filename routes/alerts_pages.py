"""The page of alerts: how each stands, what fired when, muting, trying a rule; and the banner that every page has while one fires."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, redirect, render_template, request
from markupsafe import Markup

from core import access
from core.config import Alert
from core.config.trying import MOST_TEXT, parse_alert
from core.fields import FieldError
from core.store import StoreError
from routes import alerts_api, regions, site
from routes.regions import Content, Shown, region
from services import alert_mutes, alert_trial, alert_words, alerts_service
from services.alert_life import AWAY_S
from services.alert_model import Standing
from services.alert_trial import Trial

bp = Blueprint("alerts_pages", __name__, url_prefix="/dashboard/alerts")

EVERY_S = 5
LINES = 20
IN_BANNER = 3
RANKS = {"firing": 0, "pending": 1, "ok": 2, "unknown": 4}
MUTED_RANK = 3
GRAVITY = {"error": 0, "warning": 1, "info": 2}
EXAMPLE = """[[alerts]]
id = "backlog"
title = "Too many jobs wait"
when = { kind = "queue_depth", above = 100, clear = 50 }
for = "5m"
severity = "warning"
"""


@dataclass(frozen=True)
class Row:
    """An alert as the page shows it."""

    standing: Standing
    title: str
    explanation: str
    reading: str
    muted_until: float | None
    is_stale: bool
    """Whether nobody has checked it for long."""

    @property
    def rank(self) -> tuple[int, int]:
        quiet = self.muted_until is not None
        return (MUTED_RANK if quiet else RANKS[self.standing.shown], GRAVITY[self.standing.rule.severity])


@bp.get("", strict_slashes=False)
@access.scope("read")
def listing() -> str:
    return _page()


@bp.get("/rows")
@access.scope("read")
def listing_rows() -> Response:
    return regions.answer("alerts")


@bp.get("/banner")
@access.scope("read")
def banner() -> Response:
    return regions.answer("alarm")


@bp.post("/mute")
@access.scope("admin")
def mute() -> Response:
    """The button that was pressed says which alert and for how long: `backlog 2h`, or `backlog off`."""
    id, _, choice = request.form.get("mute", "").partition(" ")
    zone = request.form.get("zone", "")
    alerts_api.muted(id, None if choice == "off" else alert_mutes.until(choice, zone, site().clock()))
    return redirect(f"{request.script_root}/dashboard/alerts#alert-{id}", 303)  # type: ignore[return-value]


@bp.post("/try")
@access.scope("read")
def try_rule() -> str | tuple[str, int]:
    text = request.form.get("toml", "")
    try:
        rule = parse_alert(text, site().config)
    except FieldError as fault:
        return _page(text, fault=str(fault)), 422
    return _page(text, trial=alert_trial.try_rule(site(), rule), tried=rule)


@region("alerts", every=EVERY_S, topics=lambda argument: (*regions.no_argument(argument), "alerts"))
def _rows(_: str) -> Content:
    rows = sorted((_row(one) for one in alerts_service.alerts(site())), key=lambda row: row.rank)
    lines = alerts_service.history(site(), LINES)
    html = render_template(
        "components/alert_rows.html", rows=rows, lines=lines, choices=alert_mutes.CHOICES, example=EXAMPLE
    )
    return Content(html)


@region("alarm", every=EVERY_S, topics=lambda argument: (*regions.no_argument(argument), "alerts"))
def _alarm(_: str) -> Content:
    rows = sorted((_row(one) for one in alerts_service.firing(site())), key=lambda row: row.rank)
    return Content(render_template("components/alert_banner.html", rows=rows, most=IN_BANNER))


@bp.app_template_global()
def alarm() -> Shown | None:
    """The banner for a page's first paint; None where headway.toml declares no alert, so that nothing can ever fire."""
    if not site().config.alerts:
        return None
    try:
        return regions.show("alarm")
    except StoreError:  # the page says so itself, and the banner comes when the store does
        return Shown("alarm", "alarm", EVERY_S, Markup(""), "", False)


def _page(text: str = "", *, trial: Trial | None = None, tried: Alert | None = None, fault: str = "") -> str:
    who = access.caller()
    return render_template(
        "alerts.html",
        rows=regions.show("alerts"),
        may_mute=who is not None and who.scope == "admin",
        text=text or EXAMPLE,
        most=MOST_TEXT,
        fault=fault,
        trial=trial,
        explanation=alert_words.explain(tried, site().config) if tried else "",
        unit=alert_words.unit(tried.when, site().config) if tried else "",
    )


def _row(one: Standing) -> Row:
    rule, record, config = one.rule, one.record, site().config
    now = site().clock()
    return Row(
        one,
        alert_words.title(rule, config),
        alert_words.explain(rule, config),
        alert_words.present(rule, record, config),
        one.muted_until(now),
        record is not None and now - record.checked_at > AWAY_S,
    )
