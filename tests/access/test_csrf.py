"""With the cookie, a change needs our token and our origin."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.visitors import (
    ADMIN,
    bearer,
    browser,
    form_token,
)

OURS = "http://localhost"
SENT_BY = [
    ("our page", {"Origin": OURS}, True),
    ("our page, in a new browser", {"Origin": OURS, "Sec-Fetch-Site": "same-origin"}, True),
    ("the address bar", {"Sec-Fetch-Site": "none"}, True),
    ("an old browser or a program", {}, True),
    ("our page behind a proxy that ends TLS", {"Origin": "https://localhost"}, True),
    ("a frontend that is listed", {"Origin": "http://localhost:5173", "Sec-Fetch-Site": "same-site"}, True),
    ("another site", {"Origin": "https://evil.example"}, False),
    ("another site, in a new browser", {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, False),
    ("a page without origin", {"Origin": "null"}, False),
    ("a frame without origin", {"Origin": "null", "Sec-Fetch-Site": "cross-site"}, False),
    ("another site that hides its origin", {"Sec-Fetch-Site": "cross-site"}, False),
    ("another host of the domain", {"Origin": "http://evil.localhost", "Sec-Fetch-Site": "same-site"}, False),
    ("another port of the host", {"Origin": "http://localhost:8080"}, False),
    ("a name that begins alike", {"Origin": "http://localhost.evil.example"}, False),
]  # fmt: skip


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("with_token", [True, False], ids=["with the token", "without"])
@pytest.mark.parametrize(("who", "headers", "ours"), SENT_BY, ids=[who for who, _, _ in SENT_BY])
def test_with_the_cookie_a_change_needs_our_token_and_our_origin(
    app: Flask, method: str, with_token: bool, who: str, headers: dict[str, str], ours: bool
) -> None:
    client = browser(app)
    sent = headers | ({"X-CSRF-Token": form_token(client)} if with_token else {})
    answer = client.open("/probe/admin", method=method, headers=sent)
    assert answer.status_code == (200 if ours and with_token else 403)


@pytest.mark.parametrize(("who", "headers", "ours"), SENT_BY, ids=[who for who, _, _ in SENT_BY])
def test_a_bearer_token_needs_neither(visitor: FlaskClient, who: str, headers: dict[str, str], ours: bool) -> None:
    assert visitor.post("/probe/admin", headers=headers | bearer(ADMIN)).status_code == 200


FORGED = ["", "x", "a.b.c", "ü", "\xff", "IjEi.aaaaaa.bbbb", "0" * 5000]


@pytest.mark.parametrize("token", FORGED, ids=lambda token: token[:12])
def test_a_forged_csrf_token_is_refused(app: Flask, token: str) -> None:
    client = browser(app)
    assert client.post("/probe/admin", headers={"X-CSRF-Token": token}).status_code == 403
    assert client.post("/probe/admin", data={"csrf_token": token}).status_code == 403


def test_the_csrf_token_of_another_session_is_refused(app: Flask) -> None:
    other = form_token(browser(app))
    assert browser(app).post("/probe/admin", headers={"X-CSRF-Token": other}).status_code == 403


def test_a_form_may_carry_the_token_as_a_field(app: Flask) -> None:
    client = browser(app)
    assert client.post("/probe/admin", data={"csrf_token": form_token(client)}).status_code == 200


def test_the_gate_reads_no_upload_to_find_a_token(app: Flask) -> None:
    client = browser(app)
    token = form_token(client)
    boundary = {"csrf_token": token, "file": (__import__("io").BytesIO(b"x"), "x.csv")}
    assert client.post("/probe/admin", data=boundary, content_type="multipart/form-data").status_code == 403
    large = {"csrf_token": token, "rest": "x" * 100_000}
    assert client.post("/probe/admin", data=large).status_code == 403


@pytest.mark.parametrize("right", [True, False])
def test_an_upload_checks_the_token_itself_and_the_gate_its_origin(app: Flask, right: bool) -> None:
    client = browser(app)
    path = f"/probe/upload?csrf={form_token(client) if right else 'wrong'}"
    assert client.post(path, headers={"Origin": OURS}).status_code == (200 if right else 403)
    assert client.post(path, headers={"Origin": "https://evil.example"}).status_code == 403


def test_no_view_of_the_site_changes_anything_for_a_cookie_alone(app: Flask) -> None:
    client = browser(app)
    tried = 0
    for rule in app.url_map.iter_rules():
        path = rule.rule
        for argument in rule.arguments:
            path = (
                path.replace(f"<{argument}>", "7").replace(f"<int:{argument}>", "7").replace(f"<path:{argument}>", "7")
            )
        if "<" in path or path in ("/probe/public", "/api/probe/public", "/probe/upload", "/socket.io"):
            continue
        for method in (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}:
            tried += 1
            answer = client.open(path, method=method, headers={"Origin": OURS})
            assert answer.status_code in (401, 403), f"{method} {path}"
    assert tried > 8
