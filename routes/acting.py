"""Who acts, for the audit, and how the outcome of an action is answered."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from flask import Response, redirect, request

from core import access
from core.origins import own_path
from core.problems import Problem
from routes import site
from services import audit_service
from services.audit_service import Entry, Who

TITLES = {"refused": "Not possible", "changed": "Changed meanwhile", "failed": "Engine unavailable"}
LONGEST_NUMBER = 15


def who() -> Who:
    caller = access.caller()
    assert caller is not None  # noqa: S101  only admins get here
    name = {"session": caller.subject[:8], "token": f"the {caller.scope} token"}.get(caller.kind, "anyone")
    return Who(caller.kind, name, request.remote_addr or "unknown")


def may_act() -> bool:
    """Whether who looks at the present page may act on what it shows."""
    caller = access.caller()
    return caller is not None and caller.scope == "admin"


def outcome(entry: Entry) -> dict[str, object]:
    """What was done. Raises Problem where nothing was, or nobody knows."""
    if entry.result == "done":
        return {"done": True, "said": entry.said, "audit": entry.number}
    away = entry.result == "failed"
    raise Problem(
        503 if away else 409,
        TITLES.get(entry.result, "Not done"),
        entry.said or "",
        headers={"Retry-After": "5"} if away else {},
        result=entry.result,
        audit=entry.number,
    )


def back(entry: Entry) -> Response:
    """To where the form stands, which tells what came of it by `told`."""
    root = request.script_root
    place, _, query = (
        own_path(request.form.get("back") or f"{root}/dashboard/audit", root).partition("#")[0].partition("?")
    )
    said = [(name, value) for name, value in parse_qsl(query) if name != "told"]
    return redirect(f"{place}?{urlencode([*said, ('told', entry.number)])}", 303)  # type: ignore[return-value]


def here() -> str:
    """Where the forms of the present page lead back to."""
    return request.full_path if request.query_string else request.path


def told() -> Entry | None:
    """The action that the address of the present page names, for `components/told.html`; for who may act alone."""
    number = request.args.get("told", "")
    if not (may_act() and number.isascii() and number.isdigit() and len(number) <= LONGEST_NUMBER):
        return None
    return audit_service.get(site(), int(number))
