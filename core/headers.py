"""What stands at the head of every answer: the request's id, the rules for browsers, and leave for other origins.

It is WSGI middleware and not Flask's `after_request`, since it costs a tenth and no error can get past it.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from core.problems import REQUEST_ID, speaks_json

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from types import TracebackType

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Header = tuple[str, str]

CDN = ("https://cdn.jsdelivr.net/npm/htmx.org@4.0.1/", "https://cdn.jsdelivr.net/npm/chart.js@4.6.1/")
"""Whose scripts a page may run besides ours. The whole CDN would be a licence: it serves anybody's package."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        f"script-src 'self' {' '.join(CDN)}",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
ALWAYS: list[Header] = [
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    # Not `no-referrer`: under it a browser sends `Origin: null` with our own forms.
    ("Referrer-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Vary", "Cookie, Origin, HX-Request"),
]
OVER_TLS: list[Header] = [*ALWAYS, ("Strict-Transport-Security", "max-age=31536000")]
UNLESS_SAID: Header = ("Cache-Control", "private, no-cache")

LEAVE: list[Header] = [
    ("Access-Control-Allow-Credentials", "true"),
    ("Access-Control-Expose-Headers", "ETag, Location, Retry-After, X-Request-Id"),
]
LEAVE_BEFOREHAND: list[Header] = [
    ("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE"),
    (
        "Access-Control-Allow-Headers",
        "Authorization, Cache-Control, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, X-CSRF-Token, "
        "X-Requested-With",
    ),
    ("Access-Control-Max-Age", "600"),
]


class Headers:
    def __init__(self, app: WSGIApplication, allowed_origins: Collection[str]) -> None:
        self._app = app
        self._allowed = allowed_origins

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request_id = environ[REQUEST_ID] = secrets.token_hex(8)
        leave = self._leave(environ) if "HTTP_ORIGIN" in environ else []

        def start(
            status: str,
            headers: list[Header],
            exc_info: tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None = None,
        ) -> object:
            said = any(name.lower() == "cache-control" for name, _ in headers)
            headers += OVER_TLS if environ["wsgi.url_scheme"] == "https" else ALWAYS
            headers += leave
            headers.append(("X-Request-Id", request_id))
            if not said:
                headers.append(UNLESS_SAID)
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        if leave and environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ:
            start("204 No Content", [*LEAVE_BEFOREHAND])  # a browser asks without token and cookie
            return []
        return self._app(environ, start)  # type: ignore[arg-type]

    def _leave(self, environ: WSGIEnvironment) -> list[Header]:
        origin = environ["HTTP_ORIGIN"]
        if origin not in self._allowed or not speaks_json(environ.get("PATH_INFO", "")):
            return []
        return [("Access-Control-Allow-Origin", origin), *LEAVE]
