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
from services.operations_service import MOST_CHOSEN

TITLES = {
    "refused": "Not possible",
    "changed": "Changed meanwhile",
    "unreached": "Engine unavailable",
    "failed": "Engine unavailable",
}
LONGEST_NUMBER = 15
NOTES = {
    "unchosen": "No job was ticked. Tick those that are meant, then choose what is to be done with them.",
    "undecided": "Choose what is to be done with the ticked jobs: press one of the buttons below the list.",
    "nowhere": "No queue was named. Say which queue the ticked jobs are to be moved to.",
    "too-many": f"Too many jobs were ticked. Choose {MOST_CHOSEN} at most, or all that match a search.",
}
"""Why nothing was tried, by what the address of the page that tells of it says."""


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
    away = entry.result in ("failed", "unreached")
    raise Problem(
        503 if away else 404 if entry.result == "unknown" else 409,
        TITLES.get(entry.result) or f"No such {entry.on.partition(' ')[0]}",
        entry.said or "",
        headers={"Retry-After": "5"} if away else {},
        result=entry.result,
        audit=entry.number,
    )


def back(entry: Entry) -> Response:
    """To where the form stands, which tells what came of it by `told`."""
    return _led_back("/dashboard/audit", str(entry.number))


def ask_again(note: str) -> Response:
    """To the list as it was, which tells why nothing was tried, one of NOTES."""
    return _led_back("/dashboard/jobs", note)


def came_from(otherwise: str) -> str:
    """Where the form that was sent stands: a path of this site."""
    root = request.script_root
    return own_path(request.form.get("back") or f"{root}{otherwise}", root)


def here() -> str:
    """Where the forms of the present page lead back to."""
    said = [(name, value) for name, value in request.args.items(multi=True) if name != "told"]
    return f"{request.script_root}{request.path}{'?' if said else ''}{urlencode(said)}"


def note() -> str | None:
    """Why nothing was tried, where the address of the present page says that."""
    return NOTES.get(request.args.get("told", "")) if may_act() else None


def _led_back(otherwise: str, told: str) -> Response:
    place, _, query = came_from(otherwise).partition("#")[0].partition("?")
    said = [(name, value) for name, value in parse_qsl(query) if name != "told"]
    return redirect(f"{place}?{urlencode([*said, ('told', told)])}", 303)  # type: ignore[return-value]


def told() -> Entry | None:
    """The action that the address of the present page names, for `components/told.html`; for who may act alone."""
    number = request.args.get("told", "")
    if not (may_act() and number.isascii() and number.isdigit() and len(number) <= LONGEST_NUMBER):
        return None
    return audit_service.get(site(), int(number))
