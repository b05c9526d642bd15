"""Log lines over HTTP: one, many, as NDJSON, refused where they are wrong, and searched."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.metrics import LOG_LINES, LOG_REJECTED
from core.site import Site
from routes import logs_api
from tests.routes.queue_calls import problem
from tests.visitors import INGEST, METRICS, READ, bearer

API = "/api/v1/logs"


def send(client: FlaskClient, *lines: object, **headers: str) -> TestResponse:
    data = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return client.post(API, data=data, content_type="application/x-ndjson", headers=headers)


def found(client: FlaskClient, **query: object) -> list[dict[str, Any]]:
    answer = client.get(f"{API}?{urlencode(query)}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()["items"]  # type: ignore[no-any-return]


def messages(client: FlaskClient, **query: object) -> list[str]:
    return [item["message"] for item in found(client, **query)]


def test_a_line_that_is_sent_is_found_in_the_shape_of_the_contract(client: FlaskClient) -> None:
    sent = {"message": "disk \x1b[31mfull\x1b[0m", "level": "WARN", "source": "web", "job": "a",
            "timestamp": "2023-11-14T22:13:20Z"}  # fmt: skip
    assert client.post(API, json=sent).get_json() == {"accepted": 1, "rejected": []}
    answer = client.get(API).get_json()
    (item,) = answer.pop("items")
    assert answer == {"next_cursor": None, "complete": True, "searched_back_to": None}
    assert list(item) == ["id", "timestamp", "level", "source", "message", "job"]
    assert item == {"id": item["id"], "timestamp": "2023-11-14T22:13:20.000Z", "level": "warning", "source": "web",
                    "message": "disk full", "job": "a"}  # fmt: skip


def test_what_is_null_in_a_line_is_as_if_it_were_left_out(client: FlaskClient) -> None:
    bare = {"level": None, "source": None, "job": "a", "agent": None, "timestamp": None}
    assert send(client, {"message": "x", **bare}).get_json() == {"accepted": 1, "rejected": []}
    (item,) = client.get(API).get_json()["items"]
    assert (item["level"], item["source"], item["job"]) == ("info", "default", "a")


def test_many_lines_come_as_an_array_or_as_ndjson_and_each_wrong_one_is_told(client: FlaskClient) -> None:
    wrong = {"message": "x", "level": "loud"}
    told = client.post(API, json=[{"message": "a"}, wrong, 5, {"message": "b"}]).get_json()
    assert told["accepted"] == 2
    assert [(one["line"], one["detail"].split(":")[0]) for one in told["rejected"]] == [(2, "level"), (3, "the line")]
    told = send(client, {"message": "c"}, b"", b"{", wrong, {"message": "d", "job": 99}, {"message": "e"}).get_json()
    assert told["accepted"] == 2
    assert [(one["line"], one["detail"].split(":")[0]) for one in told["rejected"]] == [
        (3, "not JSON at line 1, column 2"), (4, "level"), (5, "job")]  # fmt: skip
    assert messages(client) == ["e", "c", "b", "a"]


def test_a_single_wrong_line_is_422_and_names_its_field(client: FlaskClient) -> None:
    for field, value in (("level", "loud"), ("job", 99), ("source", "a\nb"), ("timestamp", "now"), ("colour", "red")):
        told = problem(client.post(API, json={"message": "x", field: value}), 422)
        assert told["field"] == field
    assert problem(client.post(API, json={}), 422, "missing")["field"] == "message"
    assert messages(client) == []


@pytest.mark.parametrize("text", [b'"a\\u0000b"', b'"\\ud800"'])
def test_text_with_nul_or_a_lone_surrogate_is_refused(client: FlaskClient, text: bytes) -> None:
    line = b'{"message":' + text + b"}"
    problem(client.post(API, data=line, content_type="application/json"), 422)
    assert send(client, line, {"message": "good"}).get_json()["rejected"][0]["line"] == 1
    assert messages(client) == ["good"]


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b'{"message":"a","message":"b"}', "application/json", 400),
        (b'{"message":"a","level":NaN}', "application/json", 400),
        (b"message=a", "application/x-www-form-urlencoded", 415),
        (b"hello", "text/plain", 415),
        (b"[" * 100_000, "application/json", 400),
        (b"[" + b"5," * 10_000 + b"5]", "application/json", 413),
        (b" " * (logs_api.MOST_JSON + 1), "application/json", 413),
    ],
)
def test_what_is_no_line_is_refused(client: FlaskClient, data: bytes, kind: str, status: int) -> None:
    problem(client.post(API, data=data, content_type=kind), status)
    assert messages(client) == []


def test_an_empty_array_and_an_empty_body_of_ndjson_hold_no_line(client: FlaskClient) -> None:
    assert client.post(API, json=[]).get_json() == {"accepted": 0, "rejected": []}
    assert send(client, b"").get_json() == {"accepted": 0, "rejected": []}


def test_past_the_most_lines_it_says_that_what_was_read_is_stored(client: FlaskClient) -> None:
    told = problem(send(client, *[b'{"message":"m"}'] * (logs_api.MOST_LINES + 1)), 413, "10,000 lines", "is stored")
    assert told["accepted"] == logs_api.MOST_LINES
    assert len(found(client, limit=1000)) == 1000


def test_a_request_with_a_key_that_comes_again_is_stored_once(client: FlaskClient) -> None:
    for _ in range(2):
        assert send(client, {"message": "once"}, **{"Idempotency-Key": "k-1"}).get_json()["accepted"] == 1
    assert send(client, {"message": "another"}, **{"Idempotency-Key": "k-2"}).status_code == 200
    assert messages(client) == ["another", "once"]
    problem(send(client, {"message": "x"}, **{"Idempotency-Key": "a b"}), 400, "Idempotency-Key")


def test_into_a_full_store_nothing_is_accepted(client: FlaskClient, site: Site) -> None:
    site.store.redis.config_set("maxmemory", 1)
    try:
        answer = send(client, *({"message": f"{n}"} for n in range(600)))
    finally:
        site.store.redis.config_set("maxmemory", 0)
    assert problem(answer, 507, "Nothing was stored", "logs_mb")["accepted"] == 0
    assert int(answer.headers["Retry-After"]) > 0
    assert messages(client) == []


def test_secrets_are_not_stored(client: FlaskClient, site: Site) -> None:
    token = client.environ_base["HTTP_AUTHORIZATION"].split()[1]
    client.post(API, json={"message": f"login password=hunter2 with {token}"})
    assert messages(client) == ["login password=*** with ***"]


def test_pages_follow_one_another_by_cursor_and_what_is_new_by_after(client: FlaskClient) -> None:
    send(client, *({"message": f"{n}", "source": f"s{n % 3}"} for n in range(30)))
    first = client.get(f"{API}?limit=20").get_json()
    second = client.get(f"{API}?limit=20&cursor={first['next_cursor']}").get_json()
    assert len({item["id"] for item in (*first["items"], *second["items"])}) == 30
    assert second["next_cursor"] is None
    send(client, {"message": "new"})
    assert messages(client, after=first["items"][0]["id"]) == ["new"]


def test_lines_are_asked_for_by_source_level_text_time_and_job(client: FlaskClient) -> None:
    number = client.post("/api/v1/queue", json={"id": "j", "agent": "studio"}).get_json()["queue_id"]
    send(client, {"message": "Old one", "source": "app/web.1", "timestamp": "2020-01-01T00:00:00Z"},
         {"message": "boom", "level": 40}, {"message": "step", "job": number}, {"message": "2nd", "job": "j", "agent": "studio"})  # fmt: skip
    assert messages(client, source="app/web.1") == messages(client, q="OLD") == ["Old one"]
    assert messages(client, level="warn") == ["boom"]
    assert messages(client, until="2021-01-01T00:00:00Z") == ["Old one"]
    assert "Old one" not in messages(client, since="2021-01-01T01:00:00+01:00")
    assert messages(client, job=number) == messages(client, job="j", agent="studio") == ["2nd", "step"]
    assert [item["job"] for item in found(client, job=number)] == ["j", number]
    assert messages(client, job="j") == [], "another agent's"
    problem(client.get(f"{API}?job=4711"), 404, "4711")


@pytest.mark.parametrize(
    "query",
    ["level=loud", "limit=0", "limit=1001", "cursor=x", "cursor=1-2", "after=1-2-3-4", "since=now", "until=2026-11-21T10:00:00",
     "q=%00", f"q={'x' * 201}", "job=a%20b", "agent=a", "format=xml"],
)  # fmt: skip
def test_a_wrong_query_is_422_and_names_its_field(client: FlaskClient, query: str) -> None:
    assert problem(client.get(f"{API}?{query}"), 422)["field"] == query.partition("=")[0]


def test_before_the_first_id_and_behind_the_last_there_is_nothing(client: FlaskClient) -> None:
    send(client, {"message": "only"})
    last = "-".join(["9" * 15, "9" * 15, "9" * 5])
    for source in ({}, {"source": "default"}):
        assert messages(client, cursor="0-0-0", **source) == messages(client, after=last, **source) == []
        assert messages(client, cursor=last, **source) == messages(client, after="0-0-0", **source) == ["only"]


def test_lines_are_downloaded_as_text_under_a_safe_name(client: FlaskClient) -> None:
    source = '../a"b\u202e<x>'
    send(client, {"message": "<script>\nx", "source": source}, {"message": "other"})
    answer = client.get(f"{API}?{urlencode({'format': 'text', 'source': source})}")
    assert answer.mimetype == "text/plain"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="headway-logs-a-b-x.txt"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.text.partition(" ")[2] == f"INFO     {source}: <script>\n    x\n"


def test_writing_takes_a_token_that_may_write_and_reading_one_that_may_read(guarded: Flask) -> None:
    client = guarded.test_client()
    codes = {
        token: (
            client.post(API, json={"message": "x"}, headers=bearer(token)).status_code,
            client.get(API, headers=bearer(token)).status_code,
        )
        for token in (INGEST, READ, METRICS, "nobody-knows-this-one")
    }
    assert list(codes.values()) == [(200, 403), (403, 200), (403, 403), (401, 401)]


def test_what_comes_in_and_what_is_refused_is_counted(client: FlaskClient) -> None:
    def counted() -> tuple[float, float]:
        stored = LOG_LINES.labels(source="counted", level="error")
        return stored._value.get(), LOG_REJECTED.labels(reason="invalid")._value.get()

    lines, refused = counted()
    send(client, *[{"message": "x", "source": "counted", "level": "error"}] * 700, {"message": 5})
    assert counted() == (lines + 700, refused + 1)
    text = client.get("/metrics").text
    assert any(line.startswith("headway_log_bytes ") and float(line.split()[1]) > 0 for line in text.splitlines())
