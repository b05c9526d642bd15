"""Who is signed in in a browser: Flask's signed cookie, and what it must say to be believed."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from flask import Flask, Request, Response, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin

from core.endings import FRESH_S, Endings
from core.tokens import Scope, Tokens

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

COOKIE = "headway_session"
LIFETIME_S = 14 * 24 * 3600
OPENED = "headway.session"
MOST_KEPT = 512
LONGEST_KEPT = 2048


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request. `subject` names a session or a token without giving it away."""

    kind: Literal["session", "token", "open"]
    scope: Scope
    subject: str
    begun: float = 0.0
    """When the session began, in seconds since the epoch."""


class SignedSessions(SecureCookieSessionInterface):
    """Flask's cookie sessions; a cookie whose signature was found good is not checked again for a second."""

    digest_method = staticmethod(hashlib.sha256)

    def __init__(self) -> None:
        self._opened: dict[str, tuple[float, Mapping[str, Any]]] = {}

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        header = request.environ.get("HTTP_COOKIE", "")
        kept = self._opened.get(header)
        if kept is not None and kept[0] > time.monotonic():
            opened: SecureCookieSession | None = self.session_class(kept[1])
        elif COOKIE not in header:
            opened = self.session_class()
        else:
            opened = super().open_session(app, request)
            if opened and len(header) <= LONGEST_KEPT:
                if len(self._opened) >= MOST_KEPT:
                    self._opened.clear()
                self._opened[header] = (time.monotonic() + FRESH_S, dict(opened))
        # Where the gate reads it: through `flask.session` a mere look would count as use and cost a header.
        request.environ[OPENED] = opened
        return opened

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if session.modified:  # every answer varies by cookie as it is, and a mere look renews nothing
            super().save_session(app, session, response)

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


class Sessions:
    """Begins sessions, tells whose they are, and ends them."""

    def __init__(self, tokens: Tokens, endings: Endings, clock: Callable[[], float]) -> None:
        self._tokens = tokens
        self._endings = endings
        self._clock = clock

    def install(self, app: Flask, path: str) -> None:
        app.secret_key = self._tokens.secret
        app.session_interface = SignedSessions()
        app.config.update(
            SESSION_COOKIE_NAME=COOKIE,
            SESSION_COOKIE_HTTPONLY=True,
            SESSION_COOKIE_SAMESITE="Lax",
            SESSION_COOKIE_PATH=path or "/",
            SESSION_REFRESH_EACH_REQUEST=False,
            PERMANENT_SESSION_LIFETIME=timedelta(seconds=LIFETIME_S),
        )

    def caller(self, environ: WSGIEnvironment) -> Caller | None:
        """Whose session the request's cookie is; None when it is nobody's, ran out, or was ended."""
        opened = environ.get(OPENED)
        if not opened or "sid" not in opened:
            return None
        scope, sid, begun = opened["scope"], opened["sid"], opened["begun"]
        if opened["mark"] != self._tokens.marks.get(scope) or self._clock() - begun > LIFETIME_S:
            return None
        return Caller("session", scope, sid, begun) if self._endings.alive(sid, begun) else None

    def begin(self, scope: Scope) -> None:
        """Sign the present browser in, under a session id that nobody knew before."""
        self.end()
        session.permanent = True
        session.update(sid=secrets.token_urlsafe(18), scope=scope, begun=self._clock(), mark=self._tokens.marks[scope])

    def end(self) -> None:
        """Sign the present browser out, and whoever else holds its cookie."""
        sid = session.get("sid")
        session.clear()
        if sid:
            self._endings.end(sid)

    def end_all(self) -> None:
        """Sign everybody out."""
        session.clear()
        self._endings.end_all()

    def alive(self, caller: Caller) -> bool:
        """Whether a caller of a while ago may still listen: a stream asks now and then."""
        if caller.kind != "session":
            return True
        return self._clock() - caller.begun <= LIFETIME_S and self._endings.alive(caller.subject, caller.begun)
