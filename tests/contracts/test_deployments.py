"""Contracts: deployments."""

from __future__ import annotations

import re

from tests.serving import Server

API = "/api/v1/deployments"
FIELDS = {"id", "version", "title", "url", "timestamp", "created_at", "clock_skew_seconds"}


def test_a_deployment_is_answered_201_and_200_where_it_came_before_and_listed_newest_first(here: Server) -> None:
    told = here.post(API, json={"version": "contract-1", "title": "First", "url": "https://example.org/1", "id": "c-1"})
    assert (told.status, told.headers["Content-Type"]) == (201, "application/json")
    one = told.json()
    assert one.keys() == FIELDS | {"applied"} and one["applied"] is True
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", one["timestamp"])
    again = here.post(API, json={"version": "contract-1"})
    assert (again.status, again.json()) == (200, one | {"applied": False})
    assert here.post(API, json={"version": "contract-2", "id": "c-2"}).status == 201
    page = here.get(f"{API}?limit=1").json()
    assert page.keys() == {"items", "next_before", "total"}
    assert [item["id"] for item in page["items"]] == [page["next_before"]] == ["c-2"]
    assert page["items"][0].keys() == FIELDS
    assert here.get(f"{API}?limit=1&before=c-2").json()["items"][0]["id"] == "c-1"


def test_a_wrong_deployment_is_told_the_field(here: Server) -> None:
    for fields, field in (
        ({}, "version"),
        ({"version": "x", "url": "ftp://x"}, "url"),
        ({"version": "x", "at": 1}, "at"),
    ):
        answer = here.post(API, json=fields)
        assert (answer.status, answer.json()["field"]) == (422, field)
