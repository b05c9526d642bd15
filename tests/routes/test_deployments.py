"""Deployments as a pipeline tells of them and a reader sees them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from core.settings import read
from tests.conftest import TOKEN, Valkey
from tests.visitors import BY_SCOPE, bearer

API = "/api/v1/deployments"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def post(client: FlaskClient, body: Any, **headers: str) -> Any:
    return client.post(API, json=body, headers=headers)


def test_a_deployment_is_answered_201_and_a_repeat_200(client: FlaskClient) -> None:
    sent = {"version": "v1.4.2", "title": "Faster imports", "url": "https://git.example.org/v1.4.2"}
    first = post(client, sent, **{"Idempotency-Key": "run-1"})
    assert (first.status_code, first.json["applied"]) == (201, True)
    assert {name: first.json[name] for name in sent} == sent
    assert TIME.fullmatch(first.json["timestamp"]) and TIME.fullmatch(first.json["created_at"])
    for again in (post(client, sent), post(client, {"version": "v2"}, **{"Idempotency-Key": "run-1"})):
        assert (again.status_code, again.json) == (200, first.json | {"applied": False})
    listed = client.get(API).json
    assert (listed["total"], listed["next_before"]) == (1, None)
    assert listed["items"] == [{name: value for name, value in first.json.items() if name != "applied"}]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "version"),
        ({"version": ""}, "version"),
        ({"version": "v" * 201}, "version"),
        ({"version": "v1\nv2"}, "version"),
        ({"version": 7}, "version"),
        ({"version": "v1", "title": "t" * 501}, "title"),
        ({"version": "v1", "url": "javascript:alert(1)"}, "url"),
        ({"version": "v1", "url": "https://a b"}, "url"),
        ({"version": "v1", "timestamp": "2026-11-21T10:00:00"}, "timestamp"),
        ({"version": "v1", "timestamp": "1970-01-01T00:00:00Z"}, "timestamp"),
        ({"version": "v1", "id": "/"}, "id"),
        ({"version": "v1", "verison": "v2"}, "verison"),
        ({"version": "v1\x00"}, "version"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_kept(client: FlaskClient, body: Any, field: str) -> None:
    answer = post(client, body)
    assert (answer.status_code, answer.json["field"]) == (422, field)
    assert client.get(API).json["total"] == 0


def test_a_page_goes_on_behind_the_last_one_and_wrong_pages_say_why(client: FlaskClient) -> None:
    for number in range(3):
        post(client, {"version": f"v{number}", "id": f"n{number}"})
    first = client.get(f"{API}?limit=2").json
    assert [one["version"] for one in first["items"]] == ["v2", "v1"]
    rest = client.get(f"{API}?limit=2&before={first['next_before']}").json
    assert ([one["version"] for one in rest["items"]], rest["next_before"]) == (["v0"], None)
    for asked, field in (("limit=0", "limit"), ("limit=501", "limit"), ("before=nobody", "before")):
        answer = client.get(f"{API}?{asked}")
        assert (answer.status_code, answer.json["field"]) == (422, field)


def test_one_is_removed_once(client: FlaskClient) -> None:
    id = post(client, {"version": "v1"}).json["id"]
    assert client.delete(f"{API}/{id}").status_code == 204
    assert client.delete(f"{API}/{id}").status_code == 404
    assert client.get(API).json["items"] == []


def test_writing_reading_and_removing_take_tokens_of_their_own(guarded: Flask) -> None:
    client = guarded.test_client()
    calls: dict[str, Callable[[dict[str, str]], Any]] = {
        "ingest": lambda headers: client.post(API, json={"version": "v1"}, headers=headers),
        "read": lambda headers: client.get(API, headers=headers),
        "admin": lambda headers: client.delete(f"{API}/nobody", headers=headers),
    }
    for wanted, call in calls.items():
        assert call({}).status_code == 401
        for scope, token in BY_SCOPE.items():
            refused = call(bearer(token)).status_code == 403
            assert refused == (scope not in (wanted, "admin")), (wanted, scope)


def test_a_full_store_keeps_nothing_and_says_so_and_is_still_read(
    own_valkey: Callable[..., Valkey], tmp_path: Any
) -> None:
    store = own_valkey("--maxmemory-policy", "noeviction")
    app = create_app(read({"REDIS_URL": store.url, "HEADWAY_TOKEN": TOKEN, "HEADWAY_DATA": str(tmp_path)}))
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    app.extensions["headway"].store.redis.config_set("maxmemory", "1")
    full = post(client, {"version": "v1"})
    assert (full.status_code, full.headers["Retry-After"]) == (507, "30")
    assert client.get(API).json["total"] == 0
    store.stop()
    away = post(client, {"version": "v1"})
    assert away.status_code == 503 and "Retry-After" in away.headers
    app.extensions["headway"].store.close()
