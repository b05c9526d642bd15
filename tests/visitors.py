"""What tests of access share: an application with a view of every scope, and browsers that sign in to it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from flask import Flask, request
from flask.testing import FlaskClient

from app import create_app
from core import access
from core.settings import Settings

ADMIN = "an-admin-token-for-tests"
READ = "a-read-token-for-tests"
INGEST = "an-ingest-token-for-tests"
METRICS = "a-metrics-token-for-tests"
BY_SCOPE = {"admin": ADMIN, "read": READ, "ingest": INGEST, "metrics": METRICS}
SCOPES = ("public", "read", "ingest", "metrics", "admin")


def with_tokens(settings: Settings, **changes: Any) -> Settings:
    """`settings` with a token of every scope."""
    tokens = {"token": ADMIN, "read_token": READ, "ingest_token": INGEST, "metrics_token": METRICS}
    return replace(settings, **(tokens | changes))


def probed_app(settings: Settings) -> Flask:
    """The whole application, and beside its views one of each scope at `/probe/SCOPE` and `/api/probe/SCOPE`."""
    app = create_app(settings)
    app.testing = True
    for scope in SCOPES:

        @access.scope(scope)  # type: ignore[arg-type]
        def probe() -> str:
            who = access.caller()
            return f"{who.kind} {who.scope}" if who else "nobody"

        for place in (f"/probe/{scope}", f"/api/probe/{scope}"):
            app.add_url_rule(place, place.replace("/", "_"), probe, methods=["GET", "POST", "DELETE"])

    @access.scope("admin", csrf="view")
    def upload() -> str:
        access.check_csrf(request.args.get("csrf"))
        return "stored"

    app.add_url_rule("/probe/upload", "probe_upload", upload, methods=["POST"])
    app.add_url_rule("/probe/undeclared", "probe_undeclared", lambda: "open to all", methods=["GET"])
    return app


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def form_token(client: FlaskClient, path: str = "/login", **options: Any) -> str:
    """The CSRF token in the sign-in page's form."""
    page = client.get(path, **options).text
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found, page
    return found[1]


def sign_in(client: FlaskClient, token: str = ADMIN, *, onward: str = "", path: str = "/login", **options: Any) -> Any:
    """Sign a browser in as its user would, and answer what the site said."""
    fields = {"csrf_token": form_token(client, path, **options), "token": token, "next": onward}
    return client.post(path, data=fields, **options)


def browser(app: Flask, token: str = ADMIN, **options: Any) -> FlaskClient:
    """A browser that signed in."""
    client = app.test_client()
    assert sign_in(client, token, **options).status_code == 303
    return client


def cookie_of(client: FlaskClient, name: str = "headway_session", path: str = "/") -> str:
    cookie = client.get_cookie(name, path=path)
    assert cookie is not None
    return cookie.value


def content(app: Flask, client: FlaskClient) -> dict[str, object]:
    """What the session cookie says; anybody who holds it can read it."""
    return app.session_interface.get_signing_serializer(app).loads(cookie_of(client))  # type: ignore[attr-defined]


def with_cookie(app: Flask, value: str) -> FlaskClient:
    client = app.test_client()
    client.set_cookie("headway_session", value)
    return client


def works(client: FlaskClient) -> bool:
    return client.get("/api/probe/read").status_code == 200


def sign_out(client: FlaskClient, **fields: str) -> Any:
    return client.post("/logout", data={"csrf_token": form_token(client), **fields})


def attempt(client: FlaskClient, token: str, address: str = "192.0.2.1") -> Any:
    """Sign in, or try to, from an address."""
    return sign_in(client, token, environ_overrides={"REMOTE_ADDR": address})
