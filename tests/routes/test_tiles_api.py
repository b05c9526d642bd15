"""Tiles as a client sees them: pushed, read, removed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from core import config
from core.settings import Settings
from core.site import Site
from core.store import Store
from services import tiles_service
from tests.conftest import TOKEN
from tests.visitors import BY_SCOPE, bearer

API = "/api/v1/tiles"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
DECLARED = """
[[tiles]]
id = "mails.waiting"
title = "Mails"
unit = "mails"
group = "Mail"
warn = 10
link = "/dashboard/logs"
source = {kind = "redis", command = "LLEN", key = "mails"}
[[tiles]]
id = "signups"
"""


@pytest.fixture
def declared(settings: Settings, store: Store) -> Iterator[Flask]:
    app = create_app(settings, config.parse(DECLARED, {}))
    app.testing = True
    yield app
    app.extensions["headway"].store.close()


@pytest.fixture
def its_client(declared: Flask) -> FlaskClient:
    client = declared.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    return client


def put(client: FlaskClient, id: str, body: Any) -> Any:
    return client.put(f"{API}/{id}", json=body)


def add(client: FlaskClient, id: str, body: Any) -> Any:
    return client.post(f"{API}/{id}/increment", json=body)


def test_a_pushed_value_is_answered_with_its_tile(client: FlaskClient) -> None:
    answer = put(client, "requests.total", {"value": 1200})
    assert answer.status_code == 200
    tile = answer.get_json()
    assert TIME.fullmatch(tile.pop("good_at")) and TIME.fullmatch(tile.pop("read_at"))
    assert 0 <= tile.pop("age_seconds") < 60
    assert tile == {
        "id": "requests.total", "title": "Requests", "group": "Requests", "unit": "", "format": "number", "link": None,
        "source": "push", "declared": True, "every_seconds": None, "value": 1200, "state": None, "took_seconds": None,
        "unavailable": None, "unavailable_since": None, "failures": 0,
    }  # fmt: skip


def test_an_increment_adds_and_one_without_a_number_adds_one(client: FlaskClient) -> None:
    answers = [add(client, "users", body) for body in ({"by": 5}, {"by": -2}, {"by": 0.5}, {})]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert [answer.get_json()["value"] for answer in answers] == [5, 3, 3.5, 4.5]


def test_all_are_read_in_their_order_and_one_with_its_history(client: FlaskClient) -> None:
    put(client, "a.b-c_d", {"value": 3})
    tiles = client.get(API).get_json()["tiles"]
    assert [(tile["id"], tile["value"]) for tile in tiles] == [
        ("users", None), ("requests.total", None), ("requests.tracking", None), ("episodes_tracked", None), ("a.b-c_d", 3),
    ]  # fmt: skip
    one = client.get(f"{API}/a.b-c_d").get_json()
    (point,) = one.pop("history")
    assert TIME.fullmatch(point["at"]) and point["value"] == 3
    assert one | {"age_seconds": 0} == tiles[-1] | {"age_seconds": 0}
    assert client.get(f"{API}/users").get_json()["history"] == []


def test_one_that_is_declared_is_told_as_headway_toml_says(declared: Flask, its_client: FlaskClient) -> None:
    site: Site = declared.extensions["headway"]
    tiles_service.note_value(site, "mails.waiting", 12, 0.25)
    tiles_service.note_failure(site, "mails.waiting", "<script>alert(1)</script>", 5.0)
    tile = its_client.get(f"{API}/mails.waiting").get_json()
    assert {name: tile[name] for name in ("title", "unit", "group", "link", "source", "every_seconds")} == {
        "title": "Mails", "unit": "mails", "group": "Mail", "link": "/dashboard/logs", "source": "redis",
        "every_seconds": 30,
    }  # fmt: skip
    assert (tile["value"], tile["state"], tile["took_seconds"], tile["failures"]) == (12, None, 5, 1)
    assert tile["unavailable"] == "<script>alert(1)</script>" and TIME.fullmatch(tile["unavailable_since"])


class TestRefused:
    @pytest.mark.parametrize(
        ("body", "says"),
        [
            ({"value": "5"}, "value: should be a number"), ({"value": True}, "value: should be a number"),
            ({"value": None}, "value: should be a number"), ({"value": [1]}, "value: should be a number"),
            ({}, "value: is missing"), ({"value": 1, "at": 2}, "at: is no field here; the fields are value"),
            ([1], "the body: should be a JSON object"),
        ],
    )  # fmt: skip
    def test_what_is_no_number_is_422_and_names_the_field(self, client: FlaskClient, body: Any, says: str) -> None:
        answer = put(client, "users", body)
        assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
        assert answer.get_json()["detail"].startswith(says)
        assert answer.get_json()["field"] == says.partition(":")[0]
        assert add(client, "users", {"by": "5"}).get_json()["field"] == "by"
        assert client.get(f"{API}/users").get_json()["value"] is None

    @pytest.mark.parametrize(
        ("text", "status"),
        [('{"value": NaN}', 400), ('{"value": Infinity}', 400), ('{"value": 1e999}', 400), ('{"value": -1e999}', 400),
         ('{"value": 1' + "0" * 5000 + "}", 400), ('{"value": 1, "value": 2}', 400), ('{"value": 1', 400), ("", 400),
         ("\ufeff{}", 400), ('{"value": 9223372036854775808}', 400)],
    )  # fmt: skip
    def test_what_is_no_json_of_finite_numbers_is_400(self, client: FlaskClient, text: str, status: int) -> None:
        answer = client.put(f"{API}/users", data=text.encode(), content_type="application/json")
        assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
        assert client.get(f"{API}/users").get_json()["value"] is None

    @pytest.mark.parametrize(
        "id", ["requests", "users.x", "notifications.sent", "timestamp", "a b", "ä", "1", "%00", "a%0ab"]
    )
    def test_an_id_that_has_no_place_is_422(self, client: FlaskClient, id: str) -> None:
        for answer in (put(client, id, {"value": 1}), add(client, id, {"by": 1})):
            assert answer.status_code == 422
            assert answer.get_json()["field"] == "id"
        assert len(client.get(API).get_json()["tiles"]) == 4

    def test_one_too_many_is_422_and_says_what_to_do(
        self, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tiles_service, "MOST_UNDECLARED", 2)
        assert [put(client, id, {"value": 1}).status_code for id in ("a", "b", "c")] == [200, 200, 422]
        assert "remove another by DELETE /api/v1/tiles/ID" in put(client, "c", {"value": 1}).get_json()["detail"]
        assert client.delete(f"{API}/a").status_code == 204
        assert put(client, "c", {"value": 1}).status_code == 200

    def test_one_whose_source_sets_it_is_409_and_says_what_to_change(self, its_client: FlaskClient) -> None:
        for answer in (put(its_client, "mails.waiting", {"value": 1}), add(its_client, "mails.waiting", {"by": 1})):
            assert (answer.status_code, answer.get_json()["field"]) == (409, "id")
            assert 'source of kind "redis"' in answer.get_json()["detail"]
        assert put(its_client, "signups", {"value": 1}).status_code == 200

    def test_one_that_is_not_there_is_404(self, client: FlaskClient) -> None:
        for call in (client.get, client.delete):
            for id in ("nothing", "%3Cb%3E", "a.b"):
                assert call(f"{API}/{id}").status_code == 404


class TestRemoving:
    def test_a_typo_can_be_taken_back(self, client: FlaskClient) -> None:
        put(client, "uesrs", {"value": 1})
        assert client.delete(f"{API}/uesrs").status_code == 204
        assert client.delete(f"{API}/uesrs").status_code == 404
        assert len(client.get(API).get_json()["tiles"]) == 4

    def test_a_declared_one_is_removed_where_it_is_declared(self, client: FlaskClient) -> None:
        answer = client.delete(f"{API}/users")
        assert (answer.status_code, answer.get_json()["title"]) == (409, "Declared tile")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", "/x", {"admin", "ingest"}), ("POST", "/x/increment", {"admin", "ingest"}), ("GET", "", {"admin", "read"}),
     ("GET", "/x", {"admin", "read"}), ("DELETE", "/x", {"admin"})],
)  # fmt: skip
def test_each_call_takes_the_tokens_that_are_for_it(guarded: Flask, method: str, path: str, allowed: set[str]) -> None:
    client = guarded.test_client()
    body = {"PUT": {"value": 1}, "POST": {"by": 1}}.get(method)
    for scope, token in BY_SCOPE.items():
        client.put(f"{API}/x", json={"value": 1}, headers=bearer(BY_SCOPE["ingest"]))
        status = client.open(API + path, method=method, json=body, headers=bearer(token)).status_code
        assert (status < 300) == (scope in allowed), scope
        assert status < 300 or status == 403
    assert client.open(API + path, method=method, json=body).status_code == 401


def test_without_the_store_nothing_is_stored_and_that_is_said(settings: Settings) -> None:
    app = create_app(replace(settings, redis_url="unix:///no/such/socket"))
    answer = app.test_client().put(f"{API}/users", json={"value": 1}, headers=bearer(TOKEN))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
