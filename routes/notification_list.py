"""The list of notifications, and the newest of them as a part of the admin page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, Response, render_template, request

from core import access
from core.problems import Problem
from routes import regions, site
from routes.notifications_pages import told
from routes.regions import Content, region
from services import notifications_service
from services.notifications_service import STATES, NotificationPage, State

bp = Blueprint("notification_list", __name__, url_prefix="/dashboard/notifications")

NEWEST = 20
"""On the admin page."""
LIMIT = 50


@dataclass(frozen=True)
class Filter:
    """Which notifications the list shows, as its address says."""

    state: State | None
    before: int | None

    def query(self, **changes: object) -> str:
        """The query of this filter with changes; a change of filter begins at the newest again."""
        kept = {"state": self.state, **changes}
        said = {name: value for name, value in kept.items() if value is not None}
        return f"?{urlencode(said)}" if said else ""

    @property
    def here(self) -> str:
        return self.query(before=self.before)


@bp.get("", strict_slashes=False)
@access.scope("read")
def listing() -> str:
    chosen = _filter(request.args)
    rows = regions.show("notification-list", chosen.here[1:])
    return render_template("notifications.html", chosen=chosen, states=STATES, rows=rows, **acting())


@bp.get("/rows")
@access.scope("read")
def listing_rows() -> Response:
    return regions.answer("notification-list", _filter(request.args).here[1:])


@bp.get("/newest")
@access.scope("read")
def newest() -> Response:
    return regions.answer("notifications")


def acting() -> dict[str, object]:
    """For `components/notification_forms.html`: whether who looks may send, where the forms lead back to, and how one went."""
    who = access.caller()
    may_act = who is not None and who.scope == "admin"
    here = request.full_path if request.query_string else request.path
    return {"may_act": may_act, "back": here, "told": told(request.args.get("told"))}


@region("notifications", every=5, topics=lambda argument: (*regions.no_argument(argument), "notifications"))
def _newest(_: str) -> Content:
    counts = notifications_service.counts(site())
    return _content("components/notifications.html", notifications_service.page(site(), limit=NEWEST), counts=counts)


def _topics(argument: str) -> tuple[str, ...]:
    _filter_of(argument)
    return ("notifications",)


@region("notification-list", every=5, topics=_topics)
def _rows(argument: str) -> Content:
    chosen = _filter_of(argument)
    page = notifications_service.page(site(), chosen.state, LIMIT, chosen.before)
    return _content("components/notification_rows.html", page, chosen=chosen)


def _content(template: str, page: NotificationPage, **names: object) -> Content:
    channels = [channel.name for channel in site().config.channels]
    return Content(render_template(template, page=page, channels=channels, **names))


def _filter_of(argument: str) -> Filter:
    return _filter(dict(parse_qsl(argument)))


def _filter(query: Mapping[str, str]) -> Filter:
    state = query.get("state") or None
    if state is not None and state not in STATES:
        raise Problem(400, "Unknown state", f"state should be one of {', '.join(STATES)}.")
    before = query.get("before") or None
    if before is not None and not (before.isascii() and before.isdigit() and len(before) <= 16):
        raise Problem(
            400,
            "Unknown page",
            "before should be a notification's number. Begin at the newest: /dashboard/notifications",
        )
    return Filter(state, None if before is None else int(before))
