"""An increment that a sender names counts once, however often it is sent."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

API = "/api/v1/tiles"


def add(client: FlaskClient, id: str, by: float, once: str | None = None) -> Any:
    return client.post(f"{API}/{id}/increment", json={"by": by}, headers={"Idempotency-Key": once} if once else {})


def test_a_repeat_of_a_named_increment_adds_nothing_and_is_answered_with_the_tile_as_it_is(client: FlaskClient) -> None:
    assert add(client, "orders", 3, "a").json["value"] == 3
    assert add(client, "orders", 4).json["value"] == 7
    repeated = add(client, "orders", 3, "a")
    assert (repeated.status_code, repeated.json["value"]) == (200, 7)
    assert add(client, "orders", 3, "b").json["value"] == 10


def test_a_name_is_a_tiles_own(client: FlaskClient) -> None:
    assert add(client, "orders", 3, "a").json["value"] == 3
    assert add(client, "visits", 2, "a").json["value"] == 2


def test_a_name_that_is_none_is_refused_and_nothing_is_added(client: FlaskClient) -> None:
    for odd in ("a b", "x" * 129):
        refused = add(client, "orders", 3, odd)
        assert (refused.status_code, "Idempotency-Key" in refused.json["detail"]) == (400, True)
    assert client.get(f"{API}/orders").status_code == 404


def test_a_repeat_of_a_named_increment_that_was_refused_is_refused_again(client: FlaskClient) -> None:
    assert add(client, "orders", 1e308).status_code == 200
    for _ in range(2):
        assert add(client, "orders", 1e308, "a").status_code == 422
    assert add(client, "orders", 1, "a").status_code == 200
