"""Signing in and out."""

from __future__ import annotations

import logging
import secrets
from typing import cast

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request
from itsdangerous import BadSignature, URLSafeSerializer

from core import access, forms, limits
from core.origins import own_path
from core.problems import Problem
from core.tokens import Scope

bp = Blueprint("auth", __name__)
log = logging.getLogger("headway.access")

BROWSER_COOKIE = "headway_browser"
BROWSER_LIFETIME_S = 400 * 24 * 3600
LARGEST_FORM = 16 * 1024

NOT_RIGHT = "That token does not open this site. Check it and try again."
OUT_OF_DATE = "This page was open for too long, or the browser keeps no cookies. Try again."


@bp.get("/login")
@access.scope("public")
def login() -> Response:
    """The sign-in page. A token is never read from its address."""
    if access.gate().open:
        return _to(_next(request.args.get("next")))
    return _page(_next(request.args.get("next")))


@bp.post("/login")
@access.scope("public")
def sign_in() -> Response:
    gate = access.gate()
    request.max_content_length = LARGEST_FORM
    forms.check_origin(gate.origins)
    onward = _next(request.form.get("next"))
    if gate.open:
        return _to(onward)
    try:
        forms.check_token(request.form.get("csrf_token"))
    except Problem:
        return _page(onward, OUT_OF_DATE, 403)

    # Counted before it is tried, so that many at once don't slip through; given back when it was right.
    visitor = _visitor()
    wait_s = gate.limits.wait_s(limits.SIGN_IN, visitor)
    if wait_s is not None:
        page = _page(onward, f"Too many attempts. Try again in {_in_words(wait_s)}.", 429)
        page.headers["Retry-After"] = str(wait_s)
        return page
    allowed = gate.tokens.match(request.form.get("token", "").strip())
    if allowed not in ("admin", "read"):
        log.warning("a refused sign-in from %s", limits.address(request.remote_addr))
        page = _page(onward, NOT_RIGHT, 401)
        page.headers["WWW-Authenticate"] = 'Bearer realm="headway"'
        return page
    gate.limits.give_back(limits.SIGN_IN, visitor)
    return _signed_in(allowed, onward)


@bp.post("/logout")
@access.scope("public")
def sign_out() -> Response:
    """End this session wherever its cookie is; with the field `everywhere`, everybody's (admins only)."""
    gate = access.gate()
    who = access.caller()
    if who is None or who.kind != "session":
        return _to(access.login_path(""))
    forms.check(gate.origins, in_body=True)
    if request.form.get("everywhere"):
        if who.scope != "admin":
            raise Problem(403, "Not allowed", "Only who signed in with the admin token can sign everybody out.")
        gate.sessions.end_all()
    else:
        gate.sessions.end()
    return _to(access.login_path(""))


def _signed_in(scope: Scope, onward: str) -> Response:
    access.gate().sessions.begin(scope)
    response = _to(onward)
    response.set_cookie(
        BROWSER_COOKIE,
        _known_browsers().dumps(secrets.token_urlsafe(12)),
        max_age=BROWSER_LIFETIME_S,
        path=current_app.config["SESSION_COOKIE_PATH"],
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )
    return response


def _visitor() -> str:
    """Whose attempts are counted together: a browser that signed in before is not held up by its address."""
    try:
        return f"browser {_known_browsers().loads(request.cookies.get(BROWSER_COOKIE, ''))}"
    except BadSignature:
        return f"address {limits.address(request.remote_addr)}"


def _known_browsers() -> URLSafeSerializer:
    return URLSafeSerializer(access.gate().tokens.secret, salt="headway browser")


def _next(text: str | None) -> str:
    path = own_path(text, request.script_root)
    leads_back = path.removeprefix(request.script_root).startswith(("/login", "/logout"))
    return f"{request.script_root}/" if leads_back else path


def _to(path: str) -> Response:
    response = cast(Response, redirect(path, 303))
    response.headers["Cache-Control"] = "no-store"
    return response


def _page(onward: str, fault: str | None = None, status: int = 200) -> Response:
    page = render_template(
        "login.html", onward=onward, fault=fault, form_token=forms.new_token(), is_signed_in=access.signed_in()
    )
    response = make_response(page, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _in_words(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} s"
    return f"{-(-seconds // 60)} min"
