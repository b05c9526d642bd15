"""Contracts: the calls of dialect Q."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import pytest

from tests.serving import Answer, Server

QUEUE = "/api/v1/queue"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
NDJSON = {"Content-Type": "application/x-ndjson"}


def batch(site: Server, *lines: object) -> Answer:
    body = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return site.post(f"{QUEUE}/batch", body, headers=NDJSON)


def listed(site: Server, **query: object) -> dict[str, Any]:
    text = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
    answer = site.get(f"{QUEUE}?{text}")
    assert answer.status == 200, answer.text
    page: dict[str, Any] = answer.json()
    assert page.keys() == {"items", "next_cursor", "total"}
    return page


def test_post_answers_201_the_item_and_its_location(here: Server) -> None:
    sent = {"title": "a.mp4", "id": "posted", "message": "hello", "agent": "q-post", "metadata": {"a": [1, 2.5, None]}}
    answer = here.post(QUEUE, json=sent)
    assert (answer.status, answer.headers["Content-Type"]) == (201, "application/json")
    item = answer.json()
    assert {name: item[name] for name in sent} == sent
    assert (item["status"], item["current_step"], item["progress"]) == ("queued", None, 0)
    assert TIME.fullmatch(item["created_at"]) and TIME.fullmatch(item["updated_at"])
    assert answer.headers["Location"] == f"{QUEUE}/{item['queue_id']}"
    shown = here.get(answer.headers["Location"]).json()
    assert shown == {name: value for name, value in item.items() if name != "applied"}


def test_put_takes_its_fields_and_answers_the_item(here: Server) -> None:
    number = here.post(QUEUE, json={}).json()["queue_id"]
    sent = {"status": "processing", "current_step": "encode", "progress": 37.5, "message": "frame 3"}
    item = here.put(f"{QUEUE}/{number}", json=sent).json()
    assert {name: item[name] for name in sent} == sent
    assert TIME.fullmatch(item["started_at"])
    done = here.put(f"{QUEUE}/{number}", json={"status": "completed", "result": {"frames": 3}}).json()
    assert (done["result"], TIME.fullmatch(done["finished_at"]) is not None) == ({"frames": 3}, True)
    assert [TIME.fullmatch(stage["finished_at"]) is not None for stage in done["stages"]] == [True]


@pytest.mark.parametrize("ref", ["999999999", "nobody", "0", "%00", "%ff", "a%2Fb", "9" * 400])
def test_an_unknown_job_is_404(here: Server, ref: str) -> None:
    for answer in (here.get(f"{QUEUE}/{ref}"), here.put(f"{QUEUE}/{ref}", json={})):
        assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")


def test_the_list_is_newest_first_and_its_cursor_walks_it_whole(here: Server) -> None:
    for number in range(7):
        here.post(QUEUE, json={"agent": "q-list", "title": str(number)})
    titles, cursor = "", None
    while True:
        page = listed(here, agent="q-list", limit=3, **({"cursor": cursor} if cursor else {}))
        titles += "".join(item["title"] for item in page["items"])
        assert page["total"] == 7
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert titles == "6543210"


def test_the_list_filters_by_status_and_agent(here: Server) -> None:
    numbers = [here.post(QUEUE, json={"agent": "q-filter"}).json()["queue_id"] for _ in range(3)]
    here.put(f"{QUEUE}/{numbers[1]}", json={"status": "failed"})
    page = listed(here, agent="q-filter", status="failed")
    assert ([item["queue_id"] for item in page["items"]], page["total"]) == ([numbers[1]], 1)
    assert listed(here, agent="q-filter", status="queued")["total"] == 2
    assert listed(here, agent="nobody") == {"items": [], "next_cursor": None, "total": 0}


@pytest.mark.parametrize("name", ["status", "agent", "limit", "cursor"])
def test_a_filter_that_is_left_empty_is_none(here: Server, name: str) -> None:
    here.post(QUEUE, json={})
    assert listed(here, **{name: ""})["items"]


def test_a_batch_updates_what_exists_and_creates_any_other(here: Server) -> None:
    known = here.post(QUEUE, json={"agent": "q-batch"}).json()["queue_id"]
    answer = batch(
        here,
        {"queue_id": known, "progress": 10},
        {"id": "new", "agent": "q-batch", "title": "created"},
        {"id": "new", "agent": "q-batch", "progress": 20},
        {"agent": "q-batch", "title": "unnamed", "status": "completed"},
    )
    assert (answer.status, answer.json()) == (200, {"accepted": 4, "rejected": []})
    assert [(item["title"], item["progress"]) for item in listed(here, agent="q-batch")["items"]] == [
        ("unnamed", 100), ("created", 20), (None, 10)]  # fmt: skip


def test_good_lines_count_even_when_others_are_bad(here: Server) -> None:
    answer = batch(
        here, {"agent": "q-bad"}, b"{", {"agent": "q-bad", "progress": 101}, {"queue_id": 987654321}, {"agent": "q-bad"}
    )
    assert answer.status == 200
    told = answer.json()
    assert told.keys() == {"accepted", "rejected"}
    assert (told["accepted"], [one["line"] for one in told["rejected"]]) == (2, [2, 3, 4])
    assert all(one.keys() == {"line", "detail"} and one["detail"] for one in told["rejected"])
    assert listed(here, agent="q-bad")["total"] == 2


def test_a_batch_of_ten_thousand_lines_is_taken_and_one_more_is_not(here: Server) -> None:
    lines = [b'{"id":"j%d","agent":"q-many"}' % number for number in range(10_000)]
    assert batch(here, *lines).json() == {"accepted": 10_000, "rejected": []}
    answer = batch(here, *lines, b'{"id":"one-too-many","agent":"q-many"}')
    assert (answer.status, answer.json()["accepted"]) == (413, 10_000)
    assert listed(here, agent="q-many", limit=1)["total"] == 10_000


def test_a_batch_of_eight_mebibytes_is_taken_and_more_is_not(here: Server) -> None:
    line = json.dumps({"id": "large", "agent": "q-large", "metadata": {"a": "x" * 16_000}}).encode() + b"\n"
    body = line * (8 * 1024 * 1024 // len(line))
    assert here.post(f"{QUEUE}/batch", body, headers=NDJSON).json()["rejected"] == []
    over = body + b" " * (8 * 1024 * 1024 - len(body) + 1)
    assert here.post(f"{QUEUE}/batch", over, headers=NDJSON).status == 413


@pytest.mark.parametrize("text", ["nul \0", "half \ud800"])
@pytest.mark.parametrize("field", ["title", "message", "metadata"])
def test_text_that_cant_be_kept_is_422(here: Server, field: str, text: str) -> None:
    answer = here.post(QUEUE, json={field: {"a": text} if field == "metadata" else text})
    assert (answer.status, answer.headers["Content-Type"]) == (422, "application/problem+json")
    (rejected,) = batch(here, {field: {"a": text} if field == "metadata" else text}).json()["rejected"]
    assert field in rejected["detail"]
