"""Contracts: notifications of dialect T."""

from __future__ import annotations

import re

from tests.serving import Server

API = "/api/v1/notifications"


def test_a_notification_is_answered_202_pending_and_listed_newest_first(here: Server) -> None:
    sent = {"title": "hello", "body": "all is well", "level": "success"}
    first = here.post(API, json=sent)
    assert (first.status, first.headers["Content-Type"]) == (202, "application/json")
    told = first.json()
    assert {name: told[name] for name in sent} == sent
    assert (told["state"], told["channel"]) == ("pending", None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", told["created_at"])
    second = here.post(API, json={"title": "again", "id": "contract-7"}).json()
    assert here.post(API, json={"title": "again", "id": "contract-7"}).status == 200
    page = here.get(f"{API}?limit=2").json()
    assert page.keys() == {"items", "next_cursor", "total"}
    assert [one["id"] for one in page["items"]] == [second["id"], told["id"]]
    assert here.get(f"{API}/contract-7").json()["title"] == "again"


def test_a_channel_may_be_named_before_any_is_configured(here: Server) -> None:
    answer = here.post(API, json={"title": "hello", "level": "WARN", "channel": "email"})
    assert (answer.status, answer.json()["state"], answer.json()["channel"]) == (202, "pending", "email")
    assert here.get(f"{API}?limit=1").json()["items"][0]["channel"] == "email"


def test_a_wrong_notification_is_told_the_field(here: Server) -> None:
    for fields, field in (
        ({}, "title"),
        ({"title": "x", "level": "loud"}, "level"),
        ({"title": "x", "channel": 1}, "channel"),
    ):
        answer = here.post(API, json=fields)
        assert (answer.status, answer.json()["field"]) == (422, field)
