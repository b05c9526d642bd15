"""Who may call. Every view says what it takes with `@access.scope(…)`, and the gate stands before all of them.

A caller shows a bearer token or the session cookie. Writing jobs takes a token, never the cookie; whatever else
changes something takes, with the cookie, a CSRF token and our own Origin.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast
from urllib.parse import urlsplit

from flask import Flask, current_app, g, request

from core import forms
from core.gate import Gate, login_path
from core.headers import Headers
from core.origins import PublicAddress
from core.scopes import scope
from core.sessions import Caller
from core.site import Site


def install(app: Flask, site: Site) -> None:
    """Put the gate before every view, and headers on every answer."""
    gate = Gate(app, site)
    app.extensions["headway.gate"] = gate
    gate.sessions.install(app, urlsplit(site.settings.url or "").path)
    app.config["WTF_CSRF_TIME_LIMIT"] = None  # as long as its session: pages stay open for days
    app.before_request(gate)
    app.wsgi_app = PublicAddress(Headers(app.wsgi_app, gate.origins.listed), site.settings)  # type: ignore[method-assign]
    app.jinja_env.globals.update(caller=caller, signed_in=signed_in, csrf_token=csrf_token)


def gate() -> Gate:
    """The gate of the present application."""
    return cast(Gate, current_app.extensions["headway.gate"])


def caller() -> Caller | None:
    """Who sent the present request; None when nobody that we know."""
    if "headway_caller" not in g:
        g.headway_caller = gate().identify(request.environ)
    return cast("Caller | None", g.headway_caller)


def signed_in() -> bool:
    """Whether the present page is shown to somebody who can sign out."""
    who = caller()
    return who is not None and who.kind == "session"


def lasting() -> Callable[[], bool]:
    """Tells, for as long as it is kept, whether who sent the present request may still listen. May ask the store."""
    who = caller()
    return partial(gate().sessions.alive, who) if who is not None else lambda: True


def csrf_token() -> str:
    """What the forms of the present page carry as `csrf_token`; empty for who needs none."""
    return forms.new_token() if signed_in() else ""


def check_csrf(token: str | None) -> None:
    """Raises Problem 403 unless `token` is one that we gave to this browser. Who shows no cookie needs none."""
    if signed_in():
        forms.check_token(token)


__all__ = [
    "Caller",
    "caller",
    "check_csrf",
    "csrf_token",
    "gate",
    "install",
    "lasting",
    "login_path",
    "scope",
    "signed_in",
]
