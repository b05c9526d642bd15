"""What tests of uploads over HTTP share: a file as a program and as a page's form sends it."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from services import uploads_service

URL = "/dashboard/uploads"
JOBS = [{"id": f"job-{n}", "title": f"Job {n}", "status": "completed"} for n in range(20)]
BAD = b'{"id":"a"}\n{"id":"b","progress":500}\n{"id":"c","title":"\\u0000"}\n'
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def send(client: FlaskClient, data: bytes, name: str = "jobs.ndjson", **options: Any) -> TestResponse:
    return client.post(URL, query_string={"name": name}, data=data, **options)


def form(data: bytes, name: str = "jobs.ndjson", token: str | None = None, *, late: bool = False) -> dict[str, Any]:
    """A form as a browser writes it: its parts in order."""
    file = [
        f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: x/y\r\n\r\n'.encode(),
        data,
        b"\r\n",
    ]
    field = (
        [f'--edge\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{token}\r\n'.encode()] if token else []
    )
    parts = [*file, *field] if late else [*field, *file]
    return {
        "data": b"".join([*parts, b"--edge--\r\n"]),
        "content_type": "multipart/form-data; boundary=edge",
        "headers": BROWSER,
    }


def token_on(client: FlaskClient) -> str:
    found = re.search(
        r'enctype="multipart/form-data".*?name="csrf_token" value="([^"]+)"', client.get(URL).text, re.DOTALL
    )
    assert found
    return found[1]


def uploads_of(app: Flask) -> tuple[uploads_service.Upload, ...]:
    return uploads_service.recent(app.extensions["headway"])
