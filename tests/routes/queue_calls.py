"""What tests of dialect Q share: its calls, and what a refusal looks like."""

from __future__ import annotations

import json
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

API = "/api/v1/queue"


def post(client: FlaskClient, **fields: Any) -> TestResponse:
    return client.post(API, json=fields)


def send(client: FlaskClient, data: bytes, **headers: str) -> TestResponse:
    return client.post(API, data=data, headers={"Content-Type": "application/json", **headers})


def batch(client: FlaskClient, *lines: object) -> TestResponse:
    data = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return client.post(f"{API}/batch", data=data, content_type="application/x-ndjson")


def problem(answer: TestResponse, status: int, *says: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    told = answer.get_json()
    assert told["status"] == status
    for word in says:
        assert word in told["detail"], told
    return told
