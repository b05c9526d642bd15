"""What the buttons of the notifications' page do: send a test, send a failed one again. The page says how it went by `told(…)`.

A form posts to `/dashboard/notifications/test` with the field `channel` (a name; empty: each), or to
`/dashboard/notifications/ID/resend`, or to `/dashboard/notifications/resend` with the field `id`; each with `csrf_token`, and
with `back`, the path that it stands at, unless that is their list. The answer leads there with 303 and `?told=WORD`, for which `told(request.args.get("told"))` has the sentence.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, Response, redirect, request

from core import access
from core.origins import own_path
from routes import site
from routes.notifications_api import too_many, unknown
from services import notifications_service
from services.notification_text import PLACE
from services.notifications_service import TooMany

bp = Blueprint("notifications_pages", __name__, url_prefix="/dashboard/notifications")

TOLD = {
    "test-sent": "A test is on its way. Its row below tells how it went, in a few seconds.",
    "no-channel": "No channel is configured, so there is nothing to test: add one to headway.toml as [[channels]].",
    "sent-again": "It is on its way again, to the channels that did not take it. Its row below tells how it goes.",
    "not-failed": "It is not sent again: nothing of it failed.",
}


def told(word: str | None) -> str | None:
    """The sentence for the outcome that the address of a page names; None where it names none."""
    return TOLD.get(word or "")


@bp.post("/test")
@access.scope("admin")
def test() -> Response:
    try:
        names = notifications_service.send_test(site(), request.form.get("channel") or None)
    except TooMany as fault:
        raise too_many(fault) from fault
    return _back("test-sent" if names else "no-channel")


@bp.post("/resend")
@bp.post("/<id>/resend")
@access.scope("admin")
def resend(id: str = "") -> Response:
    id = id or request.form.get("id", "")
    outcome = notifications_service.resend(site(), id)
    if outcome is None:
        raise unknown(id)
    return _back("sent-again" if outcome.kind == "pending" else "not-failed")


def _back(word: str) -> Response:
    """To where the form stands, with the word among what its address says already."""
    root = request.script_root
    place, _, query = own_path(request.form.get("back") or f"{root}{PLACE}", root).partition("#")[0].partition("?")
    said = [(name, value) for name, value in parse_qsl(query) if name != "told"]
    return redirect(f"{place}?{urlencode([*said, ('told', word)])}", 303)  # type: ignore[return-value]
