"""What pages of other origins may read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.visitors import (
    READ,
    bearer,
)

LISTED = "https://app.example.com"


@pytest.fixture
def with_frontend(probed: Callable[..., Flask]) -> FlaskClient:
    return probed(frontend_origins=(LISTED, "http://localhost:3000")).test_client()


@pytest.mark.parametrize("token", [READ, "wrong-token"])
def test_a_listed_frontend_may_read_answers_and_errors(with_frontend: FlaskClient, token: str) -> None:
    answer = with_frontend.get("/api/probe/read", headers={"Origin": LISTED} | bearer(token))
    assert answer.headers["Access-Control-Allow-Origin"] == LISTED
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in ",".join(answer.headers.getlist("Vary"))
    assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "https://app.example.com.evil.example",
        "http://app.example.com",
        LISTED + "/",
        "*",
    ],
)
def test_no_other_origin_may(with_frontend: FlaskClient, origin: str) -> None:
    answer = with_frontend.get("/api/probe/read", headers={"Origin": origin} | bearer(READ))
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_pages_are_for_no_frontend(with_frontend: FlaskClient) -> None:
    answer = with_frontend.get("/login", headers={"Origin": LISTED})
    assert "Access-Control-Allow-Origin" not in answer.headers


def preflight(client: FlaskClient, origin: str):  # type: ignore[no-untyped-def]
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization",
    }
    return client.options("/api/probe/ingest", headers=asked)


def test_a_preflight_of_a_listed_origin_needs_no_token(with_frontend: FlaskClient) -> None:
    answer = preflight(with_frontend, LISTED)
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == LISTED
    allowed = answer.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"} <= set(allowed)
    assert "PUT" in answer.headers["Access-Control-Allow-Methods"]


def test_a_preflight_of_another_origin_gets_no_leave(with_frontend: FlaskClient) -> None:
    answer = preflight(with_frontend, "https://evil.example")
    assert answer.status_code == 401
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]
