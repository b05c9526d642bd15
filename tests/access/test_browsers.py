"""The gate before a browser: pages lead to sign in, and a session sees what its token sees."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.access.test_scopes import MAY
from tests.visitors import (
    BY_SCOPE,
    INGEST,
    SCOPES,
    bearer,
    browser,
    form_token,
)


@pytest.mark.parametrize("path", ["/probe/read", "/probe/read?status=failed&agent=a%20b", "/probe/admin?q=ü"])
def test_a_page_leads_a_browser_to_sign_in_and_from_there_back(visitor: FlaskClient, path: str) -> None:
    answer = visitor.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 303
    assert answer.location.startswith("/login?next=")
    page = visitor.get(answer.location)
    from_form = page.text.split('name="next" value="')[1].split('"')[0].replace("&amp;", "&")
    assert visitor.get(from_form).request.url == visitor.get(path).request.url


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/probe/read", {"Accept": "text/html"}),
        ("/probe/read", {"Accept": "application/json"}),
        ("/probe/read", {"Accept": "text/html", **bearer("wrong-token")}),
        ("/probe/read", {}),
    ],
)
def test_programs_are_told_401_and_not_sent_to_a_page(visitor: FlaskClient, path: str, headers: dict[str, str]) -> None:
    assert visitor.get(path, headers=headers).status_code == 401


def test_a_form_of_nobody_signed_in_is_not_led_away(visitor: FlaskClient) -> None:
    assert visitor.post("/probe/admin", headers={"Accept": "text/html"}).status_code == 401


@pytest.mark.parametrize(
    ("current", "onward"),
    [
        ("http://localhost/dashboard/jobs?status=failed", "/dashboard/jobs%3Fstatus%3Dfailed"),
        ("https://evil.example//evil.example/", "/"),
        ("http://[broken", "/"),
        ("", "/"),
    ],
)
def test_htmx_is_told_in_a_fragment_and_shown_the_way_to_sign_in(
    visitor: FlaskClient, current: str, onward: str
) -> None:
    headers = {"HX-Request": "true", "Accept": "text/html", "HX-Current-URL": current}
    answer = visitor.get("/dashboard/api/stats-html", headers=headers)
    if answer.status_code == 404:  # no such panel: any view will do
        answer = visitor.get("/probe/read", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == f"/login?next={onward}"
    assert answer.text.startswith('<section class="problem"')
    assert "<html" not in answer.text


@pytest.mark.parametrize("holder", ["admin", "read"])
@pytest.mark.parametrize("scope", SCOPES)
def test_a_session_sees_what_its_token_sees_and_never_ingests(app: Flask, holder: str, scope: str) -> None:
    answer = browser(app, BY_SCOPE[holder]).get(f"/probe/{scope}")
    assert answer.status_code == (200 if scope in MAY[holder] - {"ingest"} else 403)


def test_ingest_takes_no_cookie_even_with_a_csrf_token(app: Flask) -> None:
    client = browser(app)
    answer = client.post(
        "/api/probe/ingest", headers={"X-CSRF-Token": form_token(client), "Origin": "http://localhost"}
    )
    assert answer.status_code == 403
    assert "token" in answer.json["detail"]
    assert client.post("/api/probe/ingest", headers=bearer(INGEST)).status_code == 200
