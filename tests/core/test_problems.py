"""Errors in three shapes, each with what to do and the request's id, and nothing of a stranger's or of our insides."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from flask import Flask, abort, jsonify, redirect, request
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException

from core import access
from core.problems import Problem, speaks_json
from core.settings import Settings
from core.store import Store
from tests.visitors import ADMIN as TOKEN
from tests.visitors import bearer, probed_app, with_tokens

CANARY = "<script>canary()</script>\"'{{7*7}}"
SHAPES = {
    "json": ("/api/fails", {}),
    "json, as asked": ("/fails", {"Accept": "application/json"}),
    "fragment": ("/fails", {"HX-Request": "true"}),
    "fragment of the API": ("/dashboard/api/fails-html", {"HX-Request": "true"}),
    "page": ("/fails", {"Accept": "text/html"}),
    "page, to whoever says nothing": ("/fails", {}),
    "page of a partial": ("/dashboard/api/fails-html", {"Accept": "text/html"}),
}
ERRORS = {
    "problem": lambda: Problem(422, "Progress out of range", "progress must be from 0 to 100", field="progress"),
    "hostile": lambda: Problem(422, CANARY, f"no agent {CANARY} \ud800 \x00", agent=CANARY),
    "bug": lambda: ZeroDivisionError("the secret is hunter2"),
    "away": lambda: redis.ConnectionError("Error 111 connecting to user:hunter2@10.0.0.7:6379."),
    "slow": lambda: redis.TimeoutError("Timeout reading from 10.0.0.7"),
    "full": lambda: redis.exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
}


@pytest.fixture
def app(settings: Settings, store: Store) -> Iterator[Flask]:
    app = probed_app(with_tokens(settings))
    app.testing = False  # as a user has it: an unexpected error is answered, not raised

    @access.scope("read")
    def fails() -> Any:
        name = request.args["error"]
        if name.isdigit():
            abort(int(name))
        raise ERRORS[name]()

    for place in ("/api/fails", "/fails", "/dashboard/api/fails-html"):
        app.add_url_rule(place, place, fails, methods=["GET", "POST"])
    yield app
    app.extensions["headway"].store.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = bearer(TOKEN)["Authorization"]
    return client


def shape_of(answer: Any) -> str:
    if answer.content_type == "application/problem+json":
        return "json"
    assert answer.content_type == "text/html; charset=utf-8"
    return "page" if answer.text.lstrip().lower().startswith("<!doctype html>") else "fragment"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("error", ["problem", "bug", "away", "404"])
def test_an_error_comes_in_the_shape_that_was_asked_for_with_the_requests_id(
    client: FlaskClient, shape: str, error: str
) -> None:
    path, headers = SHAPES[shape]
    answer = client.get(path, query_string={"error": error}, headers=headers)
    assert shape_of(answer) == shape.split(",")[0].split(" of")[0]
    assert answer.headers["X-Request-Id"] in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_json_is_as_the_rfc_has_it_with_what_else_is_known(client: FlaskClient) -> None:
    answer = client.get("/api/fails?error=problem")
    assert answer.json == {
        "type": "about:blank",
        "title": "Progress out of range",
        "status": 422,
        "detail": "progress must be from 0 to 100",
        "field": "progress",
        "request_id": answer.headers["X-Request-Id"],
    }


@pytest.mark.parametrize("shape", SHAPES)
def test_text_from_outside_is_escaped_and_never_breaks_the_answer(client: FlaskClient, shape: str) -> None:
    path, headers = SHAPES[shape]
    answer = client.get(path, query_string={"error": "hostile"}, headers=headers)
    assert answer.status_code == 422
    if shape.startswith("json"):
        assert answer.get_json(force=True)["agent"] == CANARY
    else:
        assert "<script>canary" not in answer.text
        assert "{{7*7}}" in answer.text


@pytest.mark.parametrize("where", ["path", "query", "header", "method", "next", "host"])
@pytest.mark.parametrize("headers", [{"Accept": "text/html"}, {"HX-Request": "true"}, {"Accept": "application/json"}])
@pytest.mark.parametrize("known", [True, False], ids=["with a token", "without"])
def test_a_canary_stays_harmless_wherever_it_is_put(
    app: Flask, where: str, headers: dict[str, str], known: bool
) -> None:
    client = app.test_client()
    sent: dict[str, str] = {**headers, **(bearer(TOKEN) if known else {})}
    path, method = "/nothing-here", "GET"
    if where == "path":
        path = f"/nothing/{CANARY}"
    elif where == "query":
        path = f"/fails?error=404&q={CANARY}"
    elif where == "next":
        path = f"/login?next=/{CANARY}"
    elif where == "method":
        path, method = "/login", "<SCRIPT>CANARY()</SCRIPT>"
    elif where == "host":
        sent["Host"] = 'evil.example"><script>canary()</script>'
    else:
        sent |= {
            "User-Agent": CANARY,
            "X-Request-Id": CANARY,
            "HX-Current-URL": f"http://localhost/{CANARY}",
            "Referer": CANARY,
        }
    answer = client.open(path, method=method, headers=sent)
    assert answer.status_code < 500
    assert "<script>canary" not in answer.text.lower()
    assert not any("<script" in value.lower() for value in answer.headers.values())


def test_a_request_id_is_ours_whatever_was_sent(client: FlaskClient) -> None:
    ids = {client.get("/nothing-here", headers={"X-Request-Id": "mine"}).headers["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch(r"[0-9a-f]{16}", one) for one in ids)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_unexpected_error_shows_nothing_of_our_insides_and_is_logged_once(
    client: FlaskClient, shape: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, headers = SHAPES[shape]
    with caplog.at_level(logging.INFO):
        answer = client.get(path, query_string={"error": "bug"}, headers=headers)
    assert answer.status_code == 500
    assert not re.search(r"hunter2|ZeroDivision|Traceback|\.py", answer.text)
    lines = [record for record in caplog.records if record.exc_info]
    assert len(lines) == 1
    assert answer.headers["X-Request-Id"] in lines[0].getMessage()
    assert "ZeroDivisionError" in caplog.text


def test_a_path_can_not_forge_a_line_of_the_log(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    @access.scope("read")
    def fails(rest: str) -> str:
        raise ValueError

    app.add_url_rule("/below/<rest>", "below", fails)
    app.test_client().get("/below/%0d%0aERROR%20forged%1b[31m", headers=bearer(TOKEN))
    assert not [
        line for record in caplog.records for line in record.getMessage().splitlines() if line.startswith("ERROR")
    ]
    assert "\x1b" not in caplog.text


@pytest.mark.parametrize(
    ("error", "status", "wait", "says"),
    [("away", 503, "5", "can't be reached"), ("slow", 503, "5", "in time"), ("full", 507, "30", "out of memory")],
)
def test_a_store_that_fails_is_told_with_a_reason_and_when_to_try_again(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, error: str, status: int, wait: str, says: str
) -> None:
    answers = [client.get("/api/fails", query_string={"error": error}) for _ in range(20)]
    assert {(answer.status_code, answer.headers["Retry-After"]) for answer in answers} == {(status, wait)}
    assert says in answers[0].json["detail"]
    assert "hunter2" not in answers[0].text + caplog.text
    assert "10.0.0.7" not in answers[0].text + caplog.text
    assert len(caplog.records) <= 3
    assert not any(record.exc_info for record in caplog.records)


def test_a_page_that_may_come_back_offers_to_try_it_again(app: Flask) -> None:
    client = app.test_client()
    away, gone = (client.get(f"/fails?error={error}", headers=bearer(TOKEN)).text for error in ("away", "404"))
    assert '<a class="button primary" href="">Try again</a>' in away
    assert "Try again</a>" not in gone
    assert "Try again</a>" not in client.post("/fails?error=away", headers=bearer(TOKEN)).text


@pytest.mark.parametrize("code", [400, 404, 405, 408, 411, 413, 414, 415, 418, 429, 431, 500, 501, 503])
def test_every_status_has_a_title_and_says_what_to_do(client: FlaskClient, code: int) -> None:
    answer = client.get(f"/api/fails?error={code}")
    assert (answer.status_code, answer.json["status"]) == (code, code)
    assert answer.json["title"]
    assert answer.json["detail"].endswith(".")


def test_a_wrong_method_names_the_right_ones(client: FlaskClient) -> None:
    answer = client.put("/api/fails?error=404")
    assert answer.status_code == 405
    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


def test_redirects_and_answers_made_by_hand_pass_as_they_are(app: Flask) -> None:
    @access.scope("read")
    def by_hand() -> Any:
        abort(jsonify(by="hand"))

    @access.scope("read")
    def moved() -> Any:
        raise HTTPException(response=redirect("/elsewhere"))  # type: ignore[arg-type]

    app.add_url_rule("/by-hand", "by_hand", by_hand)
    app.add_url_rule("/moved", "moved", moved)
    client = app.test_client()
    assert client.get("/by-hand", headers=bearer(TOKEN)).json == {"by": "hand"}
    assert client.get("/moved", headers=bearer(TOKEN)).location == "/elsewhere"


def test_a_head_request_gets_the_status_without_a_body(client: FlaskClient) -> None:
    answer = client.head("/api/fails?error=problem")
    assert (answer.status_code, answer.data) == (422, b"")


def test_an_error_page_that_fails_still_tells_the_error(app: Flask, client: FlaskClient) -> None:
    def broken() -> str:
        raise RuntimeError("broken")

    app.jinja_env.globals["caller"] = broken
    answer = client.get("/fails?error=problem")
    assert answer.status_code == 422
    assert "Progress out of range" in answer.text
    assert answer.headers["X-Request-Id"] in answer.text


@pytest.mark.parametrize(
    ("path", "json"),
    [
        ("/api/v1/queue", True), ("/dashboard/api/stats", True), ("/dashboard/api/stats-html", False), ("/agents", True),
        ("/agents/a/jobs", True), ("/metrics", True), ("/healthz", True), ("/login", False), ("/dashboard/jobs", False),
        ("/", False), ("/agentsmith", False), ("/events", True),
    ],
)  # fmt: skip
def test_the_places_of_programs_are_known(path: str, json: bool) -> None:
    assert speaks_json(path) == json
