"""Contracts: who may call, and how a refusal looks."""

from __future__ import annotations

import re
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.contracts.conftest import FRONTEND, TOKENS
from tests.serving import Answer, Server

QUEUE = "/api/v1/queue"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def asked(site: Server, method: str, path: str, who: str | None, **headers: str) -> Answer:
    body = {} if method in ("POST", "PUT") else None
    return site.request(method, path, json=body, token=TOKENS[who] if who else None, headers=headers)


def problem(answer: Answer, status: int) -> dict[str, Any]:
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json"), answer.text
    told: dict[str, Any] = answer.json()
    assert told["status"] == status
    assert told["title"] and told["detail"] and told["request_id"]
    assert told["request_id"] == answer.headers["X-Request-Id"]
    return told


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/dashboard/observability", {"admin": 200, "read": 200}),
        ("GET", "/dashboard/api/stats", {"admin": 200, "read": 200}),
        ("GET", "/dashboard/api/stats-html", {"admin": 200, "read": 200}),
        ("GET", "/dashboard/jobs", {"admin": 200, "read": 200}),
        ("GET", QUEUE, {"admin": 200, "read": 200}),
        ("POST", QUEUE, {"admin": 201, "ingest": 201}),
        ("PUT", f"{QUEUE}/nobody", {"admin": 404, "ingest": 404}),
        ("GET", "/metrics", {"admin": 200, "metrics": 200, "read": 200}),
    ],
)
def test_a_token_opens_what_its_scope_names_and_nothing_else(
    here: Server, method: str, path: str, allowed: dict[str, int]
) -> None:
    answers = {who: asked(here, method, path, who).status for who in TOKENS}
    assert answers == {who: allowed.get(who, 401 if who == "wrong" else 403) for who in TOKENS}
    assert asked(here, method, path, None).status == 401


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/login", "/static/headway.css"])
@pytest.mark.parametrize("who", [None, "wrong", "metrics"])
def test_health_sign_in_and_static_files_need_nothing(here: Server, path: str, who: str | None) -> None:
    assert asked(here, "GET", path, who).status == 200


def signed_in(site: Server, token: str) -> str:
    """The Cookie header of a browser that signed in."""
    page = site.get("/login", token=None)
    field = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert field
    before = "; ".join(f"{name}={m.value}" for name, m in SimpleCookie(page.headers["Set-Cookie"]).items())
    fields = urlencode({"csrf_token": field[1], "token": token})
    answer = site.post("/login", fields, token=None, headers={**FORM, "Cookie": before, "Origin": site.url})
    assert answer.status == 303, answer.text
    cookies = SimpleCookie("; ".join(value.partition(";")[0] for value in answer.headers.get_all("Set-Cookie", [])))
    return "; ".join(f"{name}={m.value}" for name, m in cookies.items())


def test_the_cookie_of_the_sign_in_reads_and_never_writes_jobs(here: Server) -> None:
    cookie = {"Cookie": signed_in(here, TOKENS["admin"])}
    for path in ("/dashboard/observability", "/dashboard/api/stats", QUEUE, "/metrics"):
        assert here.get(path, token=None, headers=cookie).status == 200
    problem(here.post(QUEUE, json={}, token=None, headers={**cookie, "Origin": here.url}), 403)


@pytest.mark.parametrize(("who", "status"), [(None, 401), ("wrong", 401), ("metrics", 403)])
def test_a_refusal_is_a_problem_a_fragment_or_a_page(here: Server, who: str | None, status: int) -> None:
    problem(asked(here, "GET", QUEUE, who), status)
    problem(asked(here, "GET", "/dashboard/api/stats", who, Accept="text/html"), status)
    fragment = asked(here, "GET", "/dashboard/api/stats-html", who, **{"HX-Request": "true"})
    assert (fragment.status, fragment.headers.get_content_type()) == (status, "text/html")
    assert "<html" not in fragment.text
    assert fragment.headers["X-Request-Id"] in fragment.text
    page = asked(here, "GET", "/dashboard/jobs", who, Accept="application/xhtml+xml, */*")
    assert (page.status, page.headers.get_content_type()) == (status, "text/html")
    assert "<html" in page.text


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/v1/nothing", None, 404),
        ("GET", "/dashboard/api/nothing", None, 404),
        ("DELETE", f"{QUEUE}/1", None, 405),
        ("POST", QUEUE, b"{", 400),
        ("POST", QUEUE, b"[]", 422),
        ("GET", f"{QUEUE}?limit=x", None, 422),
    ],
)
def test_each_error_of_a_json_route_is_a_problem(
    here: Server, method: str, path: str, body: bytes | None, status: int
) -> None:
    problem(here.request(method, path, body, headers={"Content-Type": "application/json"}), status)


def test_with_sign_in_off_nobody_needs_a_token(open_site: Server) -> None:
    for path in ("/dashboard/observability", "/dashboard/api/stats", QUEUE, "/metrics"):
        assert open_site.get(path, token=None).status == 200
    assert open_site.post(QUEUE, json={"title": "x"}, token=None).status == 201


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("Host", "headway.example", 403),
        ("Host", "127.0.0.1.headway.example", 403),
        ("Host", "localhost:8000", 200),
        ("Host", "[::1]:8000", 200),
        ("Origin", "https://evil.example", 403),
        ("Origin", "null", 403),
        ("Origin", FRONTEND, 200),
        ("Origin", "http://localhost:5174", 403),
    ],
)
def test_with_sign_in_off_host_and_origin_must_be_ours(open_site: Server, name: str, value: str, status: int) -> None:
    assert open_site.get(QUEUE, token=None, headers={name: value}).status == status
    written = open_site.post(QUEUE, json={}, token=None, headers={name: value})
    assert written.status == (201 if status == 200 else status)


def test_a_frontend_may_call_with_credentials_and_others_may_not(open_site: Server) -> None:
    allowed = open_site.get(QUEUE, token=None, headers={"Origin": FRONTEND})
    assert allowed.headers["Access-Control-Allow-Origin"] == FRONTEND
    assert allowed.headers["Access-Control-Allow-Credentials"] == "true"
    beforehand = {"Origin": FRONTEND, "Access-Control-Request-Method": "PUT",
                  "Access-Control-Request-Headers": "authorization,content-type"}  # fmt: skip
    leave = open_site.request("OPTIONS", f"{QUEUE}/1", token=None, headers=beforehand)
    assert leave.status in (200, 204)
    assert "PUT" in leave.headers["Access-Control-Allow-Methods"]
    assert {"authorization", "content-type"} <= set(leave.headers["Access-Control-Allow-Headers"].lower().split(", "))
    other = open_site.get(QUEUE, token=None, headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in other.headers
