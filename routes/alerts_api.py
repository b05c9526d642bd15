"""Alerts for programs: how they stand, what fired when, muting, trying a rule, and the rules for Prometheus."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint, Response
from msgspec import Struct

from core import access
from core.config.trying import parse_alert
from core.fields import FieldError
from core.problems import Problem
from core.times import rfc3339
from routes import body, query, site
from services import alert_mutes, alert_rules_file, alert_trial, alert_words, alerts_service
from services.alert_model import Line, Standing
from services.alert_trial import Trial

bp = Blueprint("alerts_api", __name__, url_prefix="/api/v1/alerts")

MOST_LINES = 1_000


class Tried(Struct, forbid_unknown_fields=True):
    toml: str


class Mute(Struct, forbid_unknown_fields=True):
    for_: str | None = msgspec.field(name="for", default=None)
    until: str | None = None


@bp.get("")
@access.scope("read")
def index() -> Response:
    """`{alerts, firing}`, in the order of headway.toml."""
    standing = alerts_service.alerts(site())
    return _answer(
        {"alerts": [item(one) for one in standing], "firing": sum(one.shown == "firing" for one in standing)}
    )


@bp.get("/history")
@access.scope("read")
def history() -> Response:
    """`{items}`, newest first."""
    lines = alerts_service.history(site(), query.whole("limit", alerts_service.LINES, MOST_LINES))
    return _answer({"items": [_line(line) for line in lines]})


@bp.get("/rules.yml")
@access.scope("read")
def rules_file() -> Response:
    return Response(alert_rules_file.text(site()), mimetype="application/yaml")


@bp.post("/try")
@access.scope("read")
def try_rule() -> Response:
    """`{toml}` → when the rule would have fired. 422 says what is wrong with it; nothing is stored."""
    rule = parse_alert(body.of(Tried).toml, site().config)
    return _answer(_trial(alert_trial.try_rule(site(), rule)))


@bp.put("/<id>/mute")
@access.scope("admin")
def mute(id: str) -> Response:
    """`{for: "2h"}` or `{until: RFC 3339}`."""
    asked, now = body.of(Mute), site().clock()
    if (asked.for_ is None) == (asked.until is None):
        raise FieldError("for", "say one of for, such as 2h, and until, a time")
    if asked.for_ is not None:
        until = alert_mutes.until(asked.for_, "UTC", now)
    else:
        until = alert_mutes.checked_moment(asked.until or "", now)
    return _answer(item(muted(id, until)))


@bp.delete("/<id>/mute")
@access.scope("admin")
def unmute(id: str) -> Response:
    return _answer(item(muted(id, None)))


def muted(id: str, until: float | None) -> Standing:
    """Mutes an alert. Raises Problem 404 where there is none of this id."""
    try:
        return alerts_service.mute(site(), id, until)
    except alerts_service.NoSuchAlert as fault:
        raise Problem(404, "No such alert", f"headway.toml declares no alert {id[:64]!r}.") from fault


def item(one: Standing) -> dict[str, Any]:
    record, rule = one.record, one.rule
    return {
        "id": rule.id,
        "title": alert_words.title(rule, site().config),
        "explanation": alert_words.explain(rule, site().config),
        "severity": rule.severity,
        "when": _when(rule.when),
        "state": one.shown,
        "since": _time(record.since if record else None),
        "fired_at": _time(record.fired_at if record else None),
        "value": record.value if record else None,
        "reading": alert_words.present(rule, record, site().config) or None,
        "unknown": record.unknown if record else "it was not checked yet",
        "flapping": bool(record and record.flaps),
        "muted_until": _time(one.muted_until(site().clock())),
        "checked_at": _time(record.checked_at if record else None),
        "link": alerts_service.link(rule, site()),
    }


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "id": trial.rule.id,
        "title": alert_words.title(trial.rule, site().config),
        "explanation": alert_words.explain(trial.rule, site().config),
        "tried": trial.untried is None,
        "because": trial.untried,
        "history": trial.says or None,
        "from": _time(trial.since),
        "to": _time(trial.until),
        "fired": [{"at": _time(one.at), "until": _time(one.until)} for one in trial.episodes],
        "seconds_firing": trial.seconds,
        "points": [{"at": _time(at), "value": value} for at, value in trial.points],
    }


def _line(line: Line) -> dict[str, Any]:
    told = {name: getattr(line, name) for name in ("id", "title", "severity", "what", "muted")}
    return told | {"at": _time(line.at), "since": _time(line.since), "reading": line.value or None}


def _when(when: Any) -> dict[str, Any]:
    kind = {"kind": when.__struct_config__.tag}
    return kind | {name: value for name, value in msgspec.structs.asdict(when).items() if value is not None}


def _time(at: float | None) -> str | None:
    return None if at is None else rfc3339(at)


def _answer(value: Any) -> Response:
    return Response(msgspec.json.encode(value, enc_hook=float), mimetype="application/json")
