"""Live and ready."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from app import create_app
from core import draining
from core.settings import Settings

PASSWORD = "a-password-of-the-store"


@pytest.fixture
def away(settings: Settings) -> Flask:
    return create_app(replace(settings, redis_url=f"redis://:{PASSWORD}@127.0.0.1:1/0"))


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_needs_no_token_and_is_never_kept(app: Flask, path: str) -> None:
    answer = app.test_client().get(path)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"


def test_it_lives_without_a_store_and_is_not_ready_and_says_why(away: Flask) -> None:
    assert away.test_client().get("/healthz").status_code == 200
    answer = away.test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json() == {"status": "unavailable", "unavailable": {"store": "the store can't be reached"}}
    assert answer.headers["Retry-After"]
    assert PASSWORD not in answer.text


def test_a_process_that_drains_is_live_and_not_ready(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "_begun", False)
    draining.begin()
    assert app.test_client().get("/healthz").status_code == 200
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, answer.get_json()["unavailable"]) == (503, {"process": "this process is about to end"})
