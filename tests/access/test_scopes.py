"""The gate: who gets through to which view by token, and how those turned away are told."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.scopes import rule_of
from tests.visitors import (
    ADMIN,
    BY_SCOPE,
    SCOPES,
    bearer,
    browser,
)

MAY = {
    "admin": {"public", "read", "ingest", "metrics", "admin"},
    "read": {"public", "read", "metrics"},
    "ingest": {"public", "ingest"},
    "metrics": {"public", "metrics"},
}


@pytest.mark.parametrize("holder", BY_SCOPE)
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_token_opens_the_views_of_its_scope_and_no_other(
    visitor: FlaskClient, holder: str, scope: str, method: str
) -> None:
    answer = visitor.open(f"/api/probe/{scope}", method=method, headers=bearer(BY_SCOPE[holder]))
    assert answer.status_code == (200 if scope in MAY[holder] else 403)
    if answer.status_code == 403:
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("scope", SCOPES)
def test_without_a_token_only_public_views_answer(visitor: FlaskClient, scope: str) -> None:
    answer = visitor.get(f"/api/probe/{scope}")
    if scope == "public":
        assert (answer.status_code, answer.text) == (200, "nobody")
    else:
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="headway"'


WRONG = [
    "",
    "x",
    ADMIN[:-1],
    ADMIN + "x",
    ADMIN.upper(),
    "ü",
    "ü" * 24,
    "\xff\xfe",
    "null",
    "Bearer " + ADMIN,
    "a" * 10_000,
]


@pytest.mark.parametrize("token", WRONG, ids=lambda token: token[:20])
def test_a_wrong_token_is_refused_whatever_its_bytes(visitor: FlaskClient, token: str) -> None:
    answer = visitor.get("/api/probe/read", headers=bearer(token))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("header", [f"bearer {ADMIN}", f"BEARER  {ADMIN} ", f"Bearer {ADMIN}"])
def test_the_scheme_is_read_in_any_case(visitor: FlaskClient, header: str) -> None:
    assert visitor.get("/api/probe/admin", headers={"Authorization": header}).status_code == 200


def test_a_wrong_token_is_not_saved_by_a_good_cookie(app: Flask) -> None:
    assert browser(app).get("/api/probe/read", headers=bearer("wrong-token")).status_code == 401


def test_what_a_proxy_asks_by_basic_does_not_disturb_a_session(app: Flask) -> None:
    answer = browser(app).get("/api/probe/read", headers={"Authorization": "Basic dXNlcjpwYXNz"})
    assert answer.text == "session admin"


@pytest.mark.parametrize("name", ["token", "access_token", "ticket", "Authorization", "auth"])
def test_a_token_in_the_address_opens_nothing(visitor: FlaskClient, name: str) -> None:
    answer = visitor.get("/api/probe/read", query_string={name: ADMIN})
    assert answer.status_code == 401
    assert ADMIN not in answer.text + str(answer.headers)
    assert ADMIN not in visitor.get("/login", query_string={name: ADMIN}).text


def test_a_view_that_says_not_who_may_call_it_is_closed_to_all(app: Flask) -> None:
    assert app.test_client().get("/probe/undeclared", headers=bearer(ADMIN)).status_code == 403
    assert browser(app).get("/probe/undeclared").status_code == 403


def test_every_view_of_the_site_says_who_may_call_it(app: Flask) -> None:
    silent = {name for name, view in app.view_functions.items() if rule_of(view) is None}
    assert silent == {"static", "probe_undeclared"}


def test_only_these_views_are_public(app: Flask) -> None:
    public = {name for name, view in app.view_functions.items() if (rule := rule_of(view)) and rule.public}
    public = {name for name in public if not name.startswith(("_", "health."))}
    assert public == {"auth.login", "auth.sign_in", "auth.sign_out", "socketio.socketio"}


def test_what_is_not_there_is_not_found_whoever_asks(visitor: FlaskClient) -> None:
    assert visitor.get("/api/nothing-here").status_code == 404
    assert visitor.get("/static/nothing-here").status_code == 404
