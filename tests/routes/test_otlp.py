"""Logs of OpenTelemetry: as its own exporter sends them, and as others may."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core.config import Logs
from core.site import Site
from routes import otlp
from services import logs_service, otlp_logs
from services.log_redaction import Redactor
from services.logs_service import LogQuery
from tests.node import Node
from tests.routes.queue_calls import problem
from tests.serving import Server

LOGS = "/api/v1/otlp/v1/logs"
AT = 1_700_000_000


def request(*records: dict[str, Any], service: str = "shop") -> dict[str, Any]:
    named = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return {"resourceLogs": [{"resource": named, "scopeLogs": [{"scope": {"name": "x"}, "logRecords": list(records)}]}]}


def record(text: str = "hello", **fields: Any) -> dict[str, Any]:
    return {"timeUnixNano": f"{AT}000000000", "severityNumber": 9, "body": {"stringValue": text}, **fields}


def attributes(**values: str) -> list[dict[str, Any]]:
    return [{"key": key.replace("_", "."), "value": {"stringValue": value}} for key, value in values.items()]


def send(client: FlaskClient, value: object, **headers: str) -> TestResponse:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return client.post(LOGS, data=data, headers={"Content-Type": "application/json", **headers})


def stored(site: Site) -> list[logs_service.LogLine]:
    return list(reversed(logs_service.search(site, LogQuery()).lines))


def test_what_the_published_exporter_sends_is_stored(server: Callable[..., Server], node: Callable[..., Node]) -> None:
    site = server()
    script = Path(__file__).parent / "otel.mjs"
    for compression in ("NONE", "GZIP"):
        env = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"{site.url}/api/v1/otlp",
            "TOKEN": site.token,
            "COMPRESSION": compression,
        }
        assert node(script, env=env).finish() == ["sent"]
    items = site.get("/api/v1/logs?source=shop").json()["items"]
    assert [(item["level"], item["message"], item["job"]) for item in reversed(items)] == 2 * [
        ("info", "a customer came", None), ("error", '{"order": 7, "paid": false}', "j"),
        ("critical", "crashed\nError: no paper\n  at till", None)]  # fmt: skip
    assert len(site.get("/api/v1/logs?job=j&agent=studio").json()["items"]) == 2


def test_a_record_becomes_a_line(client: FlaskClient, site: Site) -> None:
    answer = send(client, request(record(traceId="ab", spanId="cd", flags=1, droppedAttributesCount=2)))
    assert (answer.status_code, answer.get_json()) == (200, {})
    (line,) = stored(site)
    assert (line.message, line.level, line.source, line.at, line.job) == ("hello", "info", "shop", AT, None)


@pytest.mark.parametrize(
    ("fields", "level"),
    [
        ({"severityNumber": 1}, "debug"), ({"severityNumber": 8}, "debug"), ({"severityNumber": 12}, "info"),
        ({"severityNumber": 13}, "warning"), ({"severityNumber": 20}, "error"), ({"severityNumber": 24}, "critical"),
        ({"severityNumber": 0, "severityText": "Warn"}, "warning"), ({"severityNumber": 99}, "info"),
        ({"severityNumber": "17"}, "error"), ({"severityNumber": "SEVERITY_NUMBER_ERROR2"}, "error"),
        ({"severityNumber": "nonsense"}, "info"),
    ],
)  # fmt: skip
def test_each_severity_has_its_level(client: FlaskClient, site: Site, fields: dict[str, Any], level: str) -> None:
    assert send(client, request(record(**fields))).get_json() == {}
    assert stored(site)[0].level == level


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"intValue": "7"}, "7"), ({"intValue": 7}, "7"), ({"boolValue": False}, "false"), ({"doubleValue": 1.5}, "1.5"),
        ({"arrayValue": {"values": [{"stringValue": "a"}, {"intValue": "2"}]}}, '["a", 2]'), ({}, ""), (None, ""),
        ({"kvlistValue": {"values": [{"key": "k", "value": {"stringValue": "ä"}}]}}, '{"k": "ä"}'),
        ({"bytesValue": "AAE="}, "AAE="),
    ],
)  # fmt: skip
def test_a_body_of_any_kind_is_text(client: FlaskClient, site: Site, body: Any, text: str) -> None:
    assert send(client, request(record() | {"body": body})).get_json() == {}
    assert stored(site)[0].message == text


@pytest.mark.parametrize("times", [{}, {"timeUnixNano": "0"}, {"timeUnixNano": 0}, {"timeUnixNano": "9" * 19}])
def test_a_record_without_a_time_or_with_one_to_come_came_now(
    client: FlaskClient, site: Site, times: dict[str, Any]
) -> None:
    send(client, request({"body": {"stringValue": "x"}, **times}))
    assert abs(stored(site)[0].at - site.clock()) < 60
    send(client, request({"body": {"stringValue": "seen"}, "observedTimeUnixNano": f"{AT}000000000"}))
    assert stored(site)[1].at == AT


def test_records_that_are_not_taken_are_told_and_the_others_stored(client: FlaskClient, site: Site) -> None:
    bad = record("bad", attributes=attributes(headway_job="a b"))
    gone = record("gone", attributes=[{"key": "headway.job", "value": {"intValue": "99"}}])
    told = send(client, request(record("good"), bad, gone)).get_json()["partialSuccess"]
    assert told["rejectedLogRecords"] == "2"
    assert told["errorMessage"].startswith("record 2: job: should be")
    assert [line.message for line in stored(site)] == ["good"]


def test_hostile_text_is_tamed(client: FlaskClient, site: Site) -> None:
    send(client, request(record("a\x00b\x1b[2Jc password=x"), service="s\n\x1b[31mx"))
    (line,) = stored(site)
    assert (line.message, line.source) == ("abc password=***", "s[31mx")


def test_what_a_resource_says_is_not_gone_through_for_each_of_its_records() -> None:
    """Each of many records beside many attributes of their resource costs what it costs without those."""

    def cost_s(told: int, said: int) -> float:
        whole = request(*(record() for _ in range(said)))
        whole["resourceLogs"][0]["resource"]["attributes"] += attributes(**{f"a{n}": "x" for n in range(told)})
        data, began = json.dumps(whole).encode(), time.process_time()
        for make in otlp_logs.records(data):
            make(AT * 1000, Redactor(Logs(), []))
        return time.process_time() - began

    assert cost_s(40_000, 8_000) < 50 * (cost_s(40_000, 1) + cost_s(1, 8_000))


def test_protobuf_is_refused_with_the_way_to_json(client: FlaskClient) -> None:
    answer = client.post(LOGS, data=b"\x0a\x00", content_type="application/x-protobuf")
    problem(answer, 415, "OTEL_EXPORTER_OTLP_PROTOCOL=http/json")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"resourceLogs":5}', b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":"x"}]}]}]}',
     b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"soon"}]}]}]}',
     b'{"resourceLogs":[{"resource":{"attributes":[{"key":"k","value":' + b'{"arrayValue":{"values":[' * 50_000,
     b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"\\ud800"}}]}]}]}'],
)  # fmt: skip
def test_what_is_no_request_is_400(client: FlaskClient, site: Site, body: bytes) -> None:
    problem(send(client, body), 400)
    assert stored(site) == []


def test_gzip_is_unpacked_within_bounds(client: FlaskClient, site: Site) -> None:
    whole = gzip.compress(json.dumps(request(record("packed"))).encode())
    assert send(client, whole, **{"Content-Encoding": "gzip"}).status_code == 200
    assert [line.message for line in stored(site)] == ["packed"]
    bomb = gzip.compress(b" " * (otlp.MOST_BYTES * 4))
    problem(send(client, bomb, **{"Content-Encoding": "gzip"}), 413)
    problem(send(client, whole[:-9], **{"Content-Encoding": "gzip"}), 400, "gzip")
    problem(send(client, whole + b"more", **{"Content-Encoding": "gzip"}), 400, "gzip")
    problem(send(client, b"no gzip", **{"Content-Encoding": "gzip"}), 400, "unpacked")
    problem(send(client, whole, **{"Content-Encoding": "br"}), 415)


def test_a_full_store_is_503_which_exporters_try_again(client: FlaskClient, site: Site) -> None:
    site.store.redis.config_set("maxmemory", 1)
    try:
        answer = send(client, request(record()))
    finally:
        site.store.redis.config_set("maxmemory", 0)
    problem(answer, 503, "Nothing was stored")
    assert int(answer.headers["Retry-After"]) > 0
