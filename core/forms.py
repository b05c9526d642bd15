"""That a form, or a button of the page, was sent by our own page: CSRF tokens by Flask-WTF, and the browser's word."""

from __future__ import annotations

from flask import request
from flask_wtf.csrf import generate_csrf, validate_csrf
from wtforms import ValidationError

from core.origins import Origins
from core.problems import Problem

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LARGEST = 64 * 1024


def check(origins: Origins, *, in_body: bool) -> None:
    """Raises Problem 403 unless our own page sent the present request.

    The token is the header `X-CSRF-Token` or, when `in_body`, the field `csrf_token` of a small form.
    """
    check_origin(origins)
    if "HTTP_X_CSRF_TOKEN" in request.environ:
        check_token(request.headers["X-CSRF-Token"])
    elif in_body:
        small = request.content_length is not None and request.content_length <= LARGEST
        urlencoded = request.mimetype == "application/x-www-form-urlencoded"
        check_token(request.form.get("csrf_token") if small and urlencoded else None)


def check_origin(origins: Origins) -> None:
    """Raises Problem 403 when a page of another site had the browser send the present request."""
    if origins.foreign(request.environ):
        raise Problem(
            403,
            "Sent from another site",
            "Only this site's own pages may do that. Behind a proxy, set HEADWAY_URL to the public address.",
        )


def check_token(token: str | None) -> None:
    """Raises Problem 403 unless `token` is one that we gave to this browser."""
    try:
        validate_csrf(token)
    except ValidationError as error:
        raise Problem(403, "Out of date", "This form is no longer valid. Reload the page and send it again.") from error


def new_token() -> str:
    return str(generate_csrf())
