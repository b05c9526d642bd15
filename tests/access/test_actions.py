"""Only admins act, from our own pages or with their token; whoever else tries changes nothing, and leaves no entry in the audit."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from services import audit_service
from tests.visitors import ADMIN, BY_SCOPE, READ, bearer, browser, form_token

BY_API = [
    ("/api/v1/jobs/1/actions", {"action": "retry"}),
    ("/api/v1/jobs/actions", {"action": "retry", "jobs": [1]}),
    ("/api/v1/queues/rq/mail/actions", {"action": "empty"}),
    ("/api/v1/workers/rq/one/actions", {"action": "shutdown"}),
    ("/api/v1/operations/1/stop", {}),
]
BY_FORM = [
    ("/dashboard/jobs/1/actions", {"do": "retry"}),
    ("/dashboard/jobs/actions", {"action": "retry", "job": "1", "confirmed": "1"}),
    ("/dashboard/queues/actions?agent=rq&name=mail", {"do": "empty"}),
    ("/dashboard/workers/actions?agent=rq&name=one", {"do": "shutdown"}),
    ("/dashboard/operations/1/stop", {}),
]


def tried(app: Flask) -> list[str]:
    return [entry.what for entry in audit_service.page(app.extensions["headway"]).items]


@pytest.mark.parametrize("holder", ["read", "ingest", "metrics", None])
def test_a_narrower_token_acts_on_nothing(app: Flask, visitor: FlaskClient, holder: str | None) -> None:
    headers = bearer(BY_SCOPE[holder]) if holder else {}
    for path, asked in BY_API:
        assert visitor.post(path, json=asked, headers=headers).status_code == (403 if holder else 401), path
    for path, fields in BY_FORM:
        assert visitor.post(path, data=fields, headers=headers).status_code == (403 if holder else 401), path
    for path in ("/api/v1/audit", "/dashboard/audit"):
        assert visitor.get(path, headers=headers).status_code == (403 if holder else 401), path
    assert tried(app) == []


def test_a_reader_who_is_signed_in_acts_on_nothing_and_is_offered_nothing(app: Flask) -> None:
    reader = browser(app, READ)
    token = form_token(reader)
    for path, fields in BY_FORM:
        assert reader.post(path, data={**fields, "csrf_token": token}).status_code == 403, path
    created = app.test_client().post("/api/v1/queue", json={}, headers=bearer(ADMIN)).get_json()
    page = f"/dashboard/jobs/{created['queue_id']}?told=1"
    assert 'id="acting"' not in reader.get(page).text
    assert 'id="acting"' in browser(app).get(page).text
    assert tried(app) == []


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:8080"])
def test_another_sites_page_acts_on_nothing_by_the_cookie(app: Flask, origin: str) -> None:
    admin = browser(app)
    token = form_token(admin)
    for path, fields in BY_FORM:
        answer = admin.post(path, data={**fields, "csrf_token": token}, headers={"Origin": origin})
        assert answer.status_code == 403, path
    for path, asked in BY_API:
        answer = admin.post(path, json=asked, headers={"Origin": origin, "X-CSRF-Token": token})
        assert answer.status_code == 403, path
    assert tried(app) == []


def test_without_the_forms_token_nothing_is_done(app: Flask) -> None:
    admin = browser(app)
    for path, fields in BY_FORM:
        assert admin.post(path, data=fields).status_code == 403, path
    assert tried(app) == []


def test_what_an_admin_tries_stands_in_the_audit_with_who_and_where_from(app: Flask, visitor: FlaskClient) -> None:
    answer = visitor.post("/api/v1/queues/none/mail/actions", json={"action": "empty"}, headers=bearer(ADMIN))
    assert answer.status_code == 404
    admin = browser(app)
    fields = {"csrf_token": form_token(admin), "do": "pause", "back": "/dashboard/queues"}
    answer = admin.post("/dashboard/queues/actions?agent=none&name=mail", data=fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/dashboard/queues?told=2")
    by_form, by_token = visitor.get("/api/v1/audit", headers=bearer(ADMIN)).get_json()["items"]
    assert by_token["by"] == {"kind": "token", "name": "the admin token", "address": "127.0.0.1"}
    assert (by_token["action"], by_token["on"], by_token["result"]) == ("empty", "queue none/mail", "unknown")
    assert (by_form["by"]["kind"], len(by_form["by"]["name"])) == ("session", 8)
    page = admin.get("/dashboard/audit").text
    assert "queue none/mail" in page
    assert f">session {by_form['by']['name']}<" in page and ">the admin token<" in page
    assert page.count('data-when="stamp"') == 2  # which tells seconds
