"""Signing in: which texts do, where it leads, and forged forms."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from flask import Flask

from tests.visitors import (
    ADMIN,
    INGEST,
    METRICS,
    READ,
    browser,
    cookie_of,
    form_token,
    sign_in,
    with_cookie,
    works,
)


@pytest.mark.parametrize(("token", "scope"), [(ADMIN, "admin"), (READ, "read"), (f"  {ADMIN}\n", "admin")])
def test_the_admin_and_the_read_token_sign_in(app: Flask, token: str, scope: str) -> None:
    assert browser(app, token).get("/probe/read").text == f"session {scope}"


WRONG = [
    ("nothing", ""), ("a wrong one", "wrong-token"), ("the ingest token", INGEST), ("the metrics token", METRICS),
    ("part of it", ADMIN[:-1]), ("not ASCII", "пароль-администратора"), ("an emoji", "🔑" * 8), ("NUL", ADMIN + "\0"),
    ("long", "x" * 9000), ("a template", "{{7*7}}<script>alert(1)</script>"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "token"), WRONG, ids=[what for what, _ in WRONG])
def test_all_other_texts_are_refused_in_the_same_words(app: Flask, what: str, token: str) -> None:
    client = app.test_client()
    answer = sign_in(client, token, onward="/probe/read")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="headway"'
    fault = re.search(r'role="alert">([^<]+)<', answer.text)
    assert fault
    assert fault[1] == "That token does not open this site. Check it and try again."
    assert token == "" or token not in answer.text
    assert not works(client)


def test_the_page_needs_no_script_and_names_its_field(app: Flask) -> None:
    page = app.test_client().get("/login").text
    assert '<label for="token">Token</label>' in page
    assert 'type="password"' in page
    assert 'method="post" action="/login"' in page


def test_the_page_runs_no_script_of_its_own_text(app: Flask) -> None:
    page = app.test_client().get("/login?next=/x").text
    assert not re.findall(r"<script(?![^>]*\bsrc=)", page)
    assert not re.findall(r"\son\w+=|\sstyle=|javascript:", page)


@pytest.mark.parametrize(
    ("onward", "leads"),
    [
        ("/probe/read?a=1", "/probe/read?a=1"),
        ("", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("/%0d%0aSet-Cookie:a=b", "/"),
        ("/login?next=/login", "/"),
        ("/logout", "/"),
    ],
)
def test_signing_in_leads_on_to_a_page_of_ours(app: Flask, onward: str, leads: str) -> None:
    answer = sign_in(app.test_client(), onward=onward)
    assert (answer.status_code, answer.location) == (303, leads)
    page = app.test_client().get("/login", query_string={"next": onward}).text
    assert f'name="next" value="{html.escape(leads)}"' in page


def test_a_next_that_breaks_out_of_its_attribute_does_not(app: Flask) -> None:
    page = app.test_client().get("/login", query_string={"next": '/"><script>alert(1)</script>'}).text
    assert "<script>alert" not in page


def test_nothing_of_signing_in_is_kept_by_a_cache(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/login").headers["Cache-Control"] == "no-store"
    assert sign_in(client).headers["Cache-Control"] == "no-store"
    assert sign_in(client, "wrong-token").headers["Cache-Control"] == "no-store"


def test_a_browser_that_is_signed_in_may_take_another_token(app: Flask) -> None:
    client = browser(app, READ)
    before = cookie_of(client)
    assert "You are signed in" in client.get("/login").text
    assert sign_in(client, ADMIN).status_code == 303
    assert client.get("/probe/admin").text == "session admin"
    assert not works(with_cookie(app, before))


# Forged sign-ins


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_can_not_sign_a_browser_in(app: Flask, headers: dict[str, str]) -> None:
    client = app.test_client()
    fields = {"csrf_token": form_token(client), "token": ADMIN}
    assert client.post("/login", data=fields, headers=headers).status_code == 403
    assert not works(client)


def test_a_form_without_its_token_is_shown_again_with_the_reason(app: Flask) -> None:
    client = app.test_client()
    answer = client.post("/login", data={"token": ADMIN, "next": "/probe/read"})
    assert answer.status_code == 403
    assert "Try again" in answer.text
    assert 'value="/probe/read"' in answer.text
    assert not works(client)


def test_a_large_form_is_not_read(app: Flask) -> None:
    client = app.test_client()
    assert client.post("/login", data={"csrf_token": form_token(client), "token": "x" * 1_000_000}).status_code == 413


@pytest.mark.parametrize("stripped", [True, False], ids=["the proxy strips it", "the proxy keeps it"])
def test_below_a_prefix_everything_of_signing_in_stays_there(probed: Callable[..., Flask], stripped: bool) -> None:
    app = probed(url="https://headway.example/ops")
    there = {"base_url": "https://headway.example/"}
    root = "" if stripped else "/ops"
    client = app.test_client()
    asked = client.get(f"{root}/probe/read?a=1", headers={"Accept": "text/html"}, **there)
    assert asked.location == "/ops/login?next=/ops/probe/read%3Fa%3D1"
    page = client.get(f"{root}/login?next=/ops/probe/read", **there)
    assert 'action="/ops/login"' in page.text
    assert 'src="/ops/static/login.js"' in page.text
    fields = {"csrf_token": "", "token": ADMIN, "next": "/ops/probe/read"}
    cookie = page.headers["Set-Cookie"]
    assert "Path=/ops" in cookie
    assert "Secure" in cookie
    fields["csrf_token"] = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]  # type: ignore[index]
    headers = {"Cookie": cookie.split(";")[0], "Origin": "https://headway.example"}
    answer = app.test_client(use_cookies=False).post(f"{root}/login", data=fields, headers=headers, **there)
    assert (answer.status_code, answer.location) == (303, "/ops/probe/read")
