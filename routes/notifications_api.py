"""Notifications as JSON: senders note them, readers look at what became of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from flask import Blueprint, Response, request, url_for

from core import access
from core.problems import Problem
from core.times import rfc3339
from routes import body, query, site
from services import notification_model, notifications_service
from services.notification_model import DamagedNotification, Delivery, NewNotification, Notification
from services.notifications_service import STATES, Outcome, State, TooMany

bp = Blueprint("notifications_api", __name__, url_prefix="/api/v1/notifications")

MOST_ITEMS = 500


@bp.post("")
@access.scope("ingest")
def create() -> Response:
    """202 and the notification; 200 and the notification as it stands, `applied` false, where its id exists."""
    outcome = noted(notification_model.of_json(body.json_object()))
    applied = outcome.kind == "created"
    answer = _answer({**item(outcome.notification), "applied": applied}, 202 if applied else 200)
    answer.headers["Location"] = url_for("notifications_api.show", id=outcome.notification.id)
    return answer


@bp.get("")
@access.scope("read")
def index() -> Response:
    """`{items, next_cursor, total}`, newest first."""
    page = notifications_service.page(
        site(),
        state=_state(request.args.get("state")),
        limit=query.whole("limit", 50, MOST_ITEMS),
        before=query.whole("cursor", None, 2**53),
    )
    cursor = None if page.next_cursor is None else str(page.next_cursor)
    return _answer({"items": [item(one) for one in page.items], "next_cursor": cursor, "total": page.total})


@bp.get("/<id>")
@access.scope("read")
def show(id: str) -> Response:
    found = notifications_service.get(site(), id)
    if found is None:
        raise unknown(id)
    return _answer(item(found))


def noted(new: NewNotification) -> Outcome:
    """Raises Problem 429 while too many wait, FieldError."""
    try:
        return notifications_service.create(site(), new)
    except TooMany as fault:
        raise too_many(fault) from fault


def too_many(fault: TooMany) -> Problem:
    return Problem(
        429,
        "Too many notifications",
        f"This one is not stored: {fault}. Send it again later, or fewer of them.",
        headers={"Retry-After": "60"},
    )


def unknown(id: str) -> Problem:
    return Problem(404, "No such notification", f"There is no notification {id[:128]!r}. Old ones are forgotten.")


def item(one: Notification | DamagedNotification) -> dict[str, Any]:
    """A notification as JSON; with no address and no secret in it."""
    if isinstance(one, DamagedNotification):
        return {"id": one.id, "damaged": True, "detail": "The notification's record in the store can't be read."}
    return {
        "id": one.id,
        "title": one.title,
        "body": one.body,
        "level": one.level,
        "channel": one.channel,
        "source": one.source,
        "state": one.state,
        "created_at": _time(one.created_at),
        "finished_at": _time(one.finished_at),
        "deliveries": [_delivery(delivery) for delivery in one.deliveries],
    }


def _delivery(one: Delivery) -> dict[str, Any]:
    return {
        "channel": one.channel,
        "state": one.state,
        "tries": one.tries,
        "error": one.error,
        "due_at": _time(one.due_at),
        "ended_at": _time(one.ended_at),
        "may_be_repeated": one.may_be_repeated,
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at.timestamp())


def _state(text: str | None) -> State | None:
    for state in STATES:
        if text == state:
            return state
    if text:
        raise Problem(422, "Unknown state", f"state should be one of {', '.join(STATES)}.", field="state")
    return None


def _answer(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, mimetype="application/json")
