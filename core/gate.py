"""The gate that every request passes before its view: whose it is, and whether the view takes that."""

from __future__ import annotations

import logging
from base64 import b64decode
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlsplit

from flask import Flask, Response, g, redirect, request

from core import forms, limits, problems
from core.endings import Endings
from core.limits import Limits
from core.origins import Origins, own_path
from core.problems import Problem
from core.scopes import PUBLIC, Rule, rule_of
from core.sessions import LIFETIME_S, Caller, Sessions
from core.site import Site
from core.tickets import Tickets
from core.tokens import Tokens

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger("headway.access")

ANYONE = Caller("open", "admin", "anyone")


class Gate:
    def __init__(self, app: Flask, site: Site) -> None:
        settings = site.settings
        self.open = not settings.auth
        self.tokens = Tokens(settings)
        self.origins = Origins(settings)
        self.limits = Limits(site.store)
        self.sessions = Sessions(self.tokens, Endings(site.store, site.clock, LIFETIME_S), site.clock)
        self.tickets = Tickets(site.store)
        self._ingest_limit = limits.ingest(settings.rate_limit) if settings.rate_limit else None
        self._views = app.view_functions
        self._rules: dict[str, Rule] = {"static": PUBLIC}

    def __call__(self) -> Any:
        """Flask's `before_request`: None lets the request pass."""
        environ = request.environ
        self.origins.admit(environ)
        endpoint = request.endpoint
        if endpoint is None:
            return None  # there is no such view, and Flask says so
        rule = self._rules.get(endpoint) or self._rule(endpoint)
        if rule.public:
            return None
        caller = self.identify(environ)
        if caller is None and rule.by_ticket and "ticket" in request.args:
            caller = self._redeem(request.args["ticket"])
        shown = bearer(environ)
        if caller is None and rule.by_password and shown is None:
            shown = password(environ)
            caller = self._by_token(shown)
        g.headway_caller = caller
        if caller is None:
            return self._turn_away(environ, shown)
        if caller.scope not in (rule.by_session if caller.kind == "session" else rule.by_token):
            raise _forbidden(caller, rule)
        if caller.kind == "session":
            if request.method not in forms.SAFE:
                forms.check(self.origins, in_body=rule.form_checked)
        elif rule.counted and self._ingest_limit:
            self._count(caller, environ)
        return None

    def identify(self, environ: WSGIEnvironment) -> Caller | None:
        """Who sent a request; None when nobody that we know."""
        if self.open:
            return ANYONE
        shown = bearer(environ)
        return self.sessions.caller(environ) if shown is None else self._by_token(shown)

    def _by_token(self, shown: str | None) -> Caller | None:
        allowed = self.tokens.match(shown) if shown is not None else None
        return Caller("token", allowed, self.tokens.marks[allowed]) if allowed else None

    def _redeem(self, ticket: str) -> Caller:
        caller = self.tickets.redeem(ticket)
        if caller is None or not self.sessions.alive(caller):
            raise Problem(
                401,
                "Ticket not valid",
                "It was used already, is older than 30 s, or is none of this site. Ask for a new one: POST /api/v1/tickets.",
            )
        return caller

    def _rule(self, endpoint: str) -> Rule:
        rule = rule_of(self._views[endpoint])
        if rule is None:
            log.error("the view %s says not who may call it, so nobody may", endpoint)
            raise Problem(403, "Closed", "Nobody may call this address.")
        self._rules[endpoint] = rule
        return rule

    def _turn_away(self, environ: WSGIEnvironment, shown: str | None) -> Response:
        """`shown` is the token that was none."""
        challenge = 'Bearer realm="headway"'
        if shown is not None:
            self.count_wrong(environ.get("REMOTE_ADDR"))
            challenge += ', error="invalid_token"'
        response = problems.answer(
            Problem(
                401,
                "Sign in",
                "Send a token that is valid here as Authorization: Bearer TOKEN, or sign in at /login. "
                "A token in the address is not read.",
                headers={"WWW-Authenticate": challenge},
            )
        )
        if "HTTP_HX_REQUEST" in environ:
            # htmx sends the whole page there, whatever the status; a redirect would land in the panel.
            response.headers["HX-Redirect"] = login_path(_current_page(environ))
        elif shown is None and request.method in forms.SAFE and _by_browser(environ):
            return cast(Response, redirect(login_path(request.script_root + request.full_path.rstrip("?")), 303))
        return response

    def count_wrong(self, address: str | None) -> None:
        """Count a wrong token from an address. Raises Problem 429 past the limit."""
        visitor = limits.address(address)
        wait_s = self.limits.wait_s(limits.WRONG_TOKEN, visitor)
        if wait_s is None:
            log.warning("a wrong token from %s", visitor)
        else:
            raise Problem(
                429,
                "Too many wrong tokens",
                f"Wait {wait_s} s, or send the right token.",
                headers={"Retry-After": str(wait_s)},
            )

    def _count(self, caller: Caller, environ: WSGIEnvironment) -> None:
        assert self._ingest_limit  # noqa: S101
        name = limits.address(environ.get("REMOTE_ADDR")) if caller.kind == "open" else caller.subject
        wait_s = self.limits.wait_s(self._ingest_limit, name)
        if wait_s is not None:
            raise Problem(
                429,
                "Too many requests",
                f"This token may write {self._ingest_limit.amount} times a minute (HEADWAY_RATE_LIMIT). Wait {wait_s} s, "
                "or send many updates in one batch.",
                headers={"Retry-After": str(wait_s)},
            )


def login_path(page: str) -> str:
    """The sign-in page that leads on to `page`."""
    root = request.script_root
    return f"{root}/login?next={quote(own_path(page, root), safe='/')}"


def bearer(environ: WSGIEnvironment) -> str | None:
    """The token of `Authorization: Bearer …`. Another scheme is not meant for us: a proxy asked for it."""
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def password(environ: WSGIEnvironment) -> str | None:
    """What HTTP Basic shows as the password, or as the user where that is all."""
    scheme, _, coded = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, word = b64decode(coded, validate=True).decode().partition(":")
    except ValueError:
        return ""
    return word or user


def _by_browser(environ: WSGIEnvironment) -> bool:
    return "text/html" in environ.get("HTTP_ACCEPT", "") and not problems.speaks_json(request.path)


def _current_page(environ: WSGIEnvironment) -> str:
    try:
        page = urlsplit(environ.get("HTTP_HX_CURRENT_URL", ""))
    except ValueError:
        return ""
    return f"{page.path}?{page.query}" if page.query else page.path


def _forbidden(who: Caller, rule: Rule) -> Problem:
    if who.kind == "session" and who.scope in rule.by_token:
        return Problem(403, "Takes a token", "Jobs are written with a token, not by who is signed in in a browser.")
    return Problem(
        403,
        "Not allowed",
        f"This token is for {who.scope}. Use one with a wider scope, such as the admin token.",
        headers={"WWW-Authenticate": 'Bearer realm="headway", error="insufficient_scope"'},
    )
