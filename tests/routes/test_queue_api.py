"""Dialect Q as a client sees it."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from core import keys
from core.site import Site
from routes import body
from services import job_events
from tests.routes.queue_calls import API, batch, post, problem, send
from tests.serving import Server

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_creating_answers_201_the_item_and_where_it_is(client: FlaskClient) -> None:
    answer = post(client, title="a.mp4", agent="studio", message="hi", metadata={"size": 1.5})
    assert answer.status_code == 201
    item = answer.get_json()
    assert (item["queue_id"], item["status"], item["progress"], item["applied"]) == (1, "queued", 0, True)
    assert (item["title"], item["agent"], item["message"], item["metadata"]) == ("a.mp4", "studio", "hi", {"size": 1.5})
    assert TIME.fullmatch(item["created_at"]) and TIME.fullmatch(item["updated_at"])
    assert answer.headers["Location"].endswith(f"{API}/1")
    shown = client.get(answer.headers["Location"]).get_json()
    assert shown == {name: value for name, value in item.items() if name != "applied"}


def test_an_empty_object_creates_a_job_of_the_default_agent_and_so_does_null(client: FlaskClient) -> None:
    item = post(client).get_json()
    assert (item["agent"], item["title"]) == ("default", None)
    assert post(client, agent=None, title=None, tags=None).get_json()["agent"] == "default"
    assert batch(client, {"id": "x", "agent": None}).get_json()["accepted"] == 1
    assert client.get(f"{API}/x").get_json()["agent"] == "default"


def test_creating_an_id_that_exists_answers_200_and_applied_false(client: FlaskClient) -> None:
    first = post(client, id="x", title="one").get_json()
    answer = post(client, id="x", title="two")
    assert answer.status_code == 200
    assert answer.get_json() == {**first, "applied": False}


def test_an_update_changes_and_answers_the_item(client: FlaskClient) -> None:
    post(client)
    item = client.put(f"{API}/1", json={"current_step": "encode", "progress": 42, "message": "frame 3"}).get_json()
    assert (item["status"], item["current_step"], item["progress"], item["message"]) == (
        "processing",
        "encode",
        42,
        "frame 3",
    )
    done = client.put(f"{API}/1", json={"status": "completed", "result": {"ok": True}}).get_json()
    assert (done["status"], done["progress"], done["result"], done["applied"]) == ("completed", 100, {"ok": True}, True)
    late = client.put(f"{API}/1", json={"progress": 7})
    assert late.status_code == 200
    assert late.get_json() == {**done, "applied": False}


def test_a_failure_names_its_stage_and_keeps_its_progress(client: FlaskClient) -> None:
    post(client)
    client.put(f"{API}/1", json={"current_step": "upload", "progress": 70})
    item = client.put(f"{API}/1", json={"status": "failed", "error": "timeout"}).get_json()
    assert (item["failedStage"], item["progress"], item["error"], item["message"]) == (
        "upload",
        70,
        "timeout",
        "timeout",
    )


def test_an_id_with_its_agent_finds_the_job_too(client: FlaskClient) -> None:
    post(client, id="x", agent="studio")
    post(client, id="x")
    assert client.get(f"{API}/x?agent=studio").get_json()["queue_id"] == 1
    assert client.get(f"{API}/x").get_json()["queue_id"] == 2
    assert client.put(f"{API}/x?agent=studio", json={"progress": 1}).get_json()["queue_id"] == 1


@pytest.mark.parametrize("ref", ["99", "nobody", "x%20y", "99999999999999999"])
def test_an_unknown_job_is_404(client: FlaskClient, ref: str) -> None:
    problem(client.get(f"{API}/{ref}"), 404)
    problem(client.put(f"{API}/{ref}", json={"progress": 1}), 404)


def test_the_list_pages_by_cursor_newest_first(client: FlaskClient) -> None:
    for i in range(7):
        post(client, title=str(i))
    seen, cursor = [], ""
    while True:
        page = client.get(f"{API}?limit=3{cursor}").get_json()
        assert page["total"] == 7
        seen += [item["title"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == list("6543210")


def test_the_list_filters_by_status_and_agent(client: FlaskClient) -> None:
    for agent in ("a", "b"):
        post(client, agent=agent, id="1x")
        post(client, agent=agent)
    client.put(f"{API}/1x?agent=a", json={"status": "failed"})
    page = client.get(f"{API}?status=failed&agent=a").get_json()
    assert (page["total"], [item["id"] for item in page["items"]]) == (1, ["1x"])
    assert client.get(f"{API}?agent=b").get_json()["total"] == 2


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "limit=-1", "cursor=x", "cursor=-5", "status=done",
                                   "cursor=" + "9" * 40, "limit=²"])  # fmt: skip
def test_a_bad_query_is_422_and_names_the_parameter(client: FlaskClient, query: str) -> None:
    told = problem(client.get(f"{API}?{query}"), 422)
    assert told["field"] == query.split("=")[0]


@pytest.mark.parametrize("fields", [
    {"progress": 101}, {"progress": -1}, {"progress": "50"}, {"progress": True}, {"progress": None}, {"progress": 1e308},
    {"status": "done"}, {"status": None}, {"current_step": ""}, {"current_step": "a\nb"}, {"current_step": 5},
    {"message": "x" * 4001}, {"error": {"a": 1}}, {"metadata": [1]}, {"metadata": {"a": "x" * 20_000}}, {"seq": -1},
    {"attempt": 0}, {"timestamp": "2026-01-01T00:00:00"}, {"timestamp": "yesterday"}, {"progres": 5}, {"result": "x" * 20_000},
    {"stage": "a", "current_step": "b"}, {"message": "\ud800"}, {"message": "a\0b"},
])  # fmt: skip
def test_a_wrong_field_is_422_names_itself_and_changes_nothing(client: FlaskClient, fields: dict[str, Any]) -> None:
    before = post(client).get_json()
    told = problem(client.put(f"{API}/1", json=fields), 422)
    assert told["field"] == next(iter(fields))
    assert {**client.get(f"{API}/1").get_json(), "applied": True} == before


@pytest.mark.parametrize("fields", [
    {"id": "12"}, {"id": "batch"}, {"id": "active"}, {"id": "a b"}, {"id": "x" * 129}, {"id": ""}, {"id": 5}, {"id": "x\n"},
    {"agent": ""}, {"agent": "a/b"}, {"agent": "x" * 129}, {"agent": 1}, {"title": "x" * 501}, {"progress": 5},
])  # fmt: skip
def test_a_wrong_field_creates_nothing(client: FlaskClient, fields: dict[str, Any]) -> None:
    told = problem(post(client, **fields), 422)
    assert told["field"] == next(iter(fields))
    assert client.get(API).get_json()["total"] == 0


@pytest.mark.parametrize("data,says", [
    (b"", "JSON object"), (b"  \n", "JSON object"), (b'{"title":', "column"), (b"\xef\xbb\xbf{}", "byte order mark"),
    (b'{"title":NaN}', "NaN"), (b'{"title":"a","title":"b"}', "twice"), (b"[" * 100_000, "deep"),
    (b'{"metadata":' + b"[" * 90_000, "deep"), (b'{"seq":' + b"9" * 5000 + b"}", "large"), (b'{"title":"\xff"}', "UTF-8"),
])  # fmt: skip
def test_malformed_json_is_400_and_stores_nothing(client: FlaskClient, data: bytes, says: str) -> None:
    problem(send(client, data), 400, says)
    assert client.get(API).get_json()["total"] == 0


@pytest.mark.parametrize("data", [b"[]", b"5", b"null", b'"x"'])
def test_json_that_is_no_object_is_422(client: FlaskClient, data: bytes) -> None:
    problem(send(client, data), 422, "JSON object")


@pytest.mark.parametrize(
    "kind", ["text/html", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_a_body_that_is_not_said_to_be_json_is_415(client: FlaskClient, kind: str) -> None:
    problem(send(client, b"{}", **{"Content-Type": kind}), 415, "application/json")


def test_an_encoded_body_is_415(client: FlaskClient) -> None:
    problem(send(client, b"{}", **{"Content-Encoding": "gzip"}), 415)


def test_a_body_over_the_limit_is_413_before_it_is_read(client: FlaskClient) -> None:
    problem(send(client, b'{"title":"' + b"x" * body.MOST_JSON + b'"}'), 413)
    assert client.get(API).get_json()["total"] == 0


def test_a_body_of_unsaid_length_is_413_as_soon_as_it_is_too_long(server: Callable[..., Server]) -> None:
    here = server()
    with socket.create_connection(("127.0.0.1", here.port), timeout=30) as sock:
        sock.sendall(
            f"POST {API} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {here.token}\r\n"
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        with contextlib.suppress(ConnectionError):
            for _ in range(2 * body.MOST_JSON // 0x10000):  # never the last chunk, which would end the body
                sock.sendall(chunk)
        assert sock.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_a_damaged_job_shows_as_damaged_and_cannot_be_updated(client: FlaskClient, site: Site) -> None:
    post(client, id="x")
    post(client, id="y")
    site.store.redis.delete(keys.JOB.at(0, 1))
    assert client.get(f"{API}/1").get_json()["damaged"] is True
    assert [item.get("damaged") for item in client.get(API).get_json()["items"]] == [None, True]
    problem(client.put(f"{API}/1", json={"progress": 1}), 409, "damaged")
    assert batch(client, {"id": "x", "progress": 1}).get_json()["accepted"] == 1
    assert client.get(f"{API}/x").get_json()["queue_id"] == 3


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "\u202etxt.exe", 'a"b\\c', "line\nline\r\n: x", "\U0001f680" * 100]
)
def test_hostile_text_goes_out_as_it_came_and_as_data_only(client: FlaskClient, text: str) -> None:
    answer = post(client, title=text, message=text, metadata={text: text})
    item = answer.get_json()
    assert (item["title"], item["message"], item["metadata"]) == (text, text, {text: text})
    assert answer.mimetype == "application/json"


def test_each_change_is_one_event_for_later_readers(client: FlaskClient, site: Site) -> None:
    post(client, id="x")
    post(client, id="x")
    client.put(f"{API}/x", json={"progress": 5, "seq": 1})
    client.put(f"{API}/x", json={"progress": 5, "seq": 1})
    client.put(f"{API}/x", json={"status": "completed", "seq": 2})
    entries = site.store.raw.xrange(keys.EVENTS.at())
    told = [job_events.decode(fields[b"e"]) for _, fields in entries]  # type: ignore[union-attr, index]
    assert [(e.kind, e.was, e.status, e.progress) for e in told] == [
        ("created", "", "queued", 0), ("updated", "queued", "processing", 5), ("updated", "processing", "completed", 100)
    ]  # fmt: skip
