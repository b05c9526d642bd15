"""Uploads over HTTP by a program."""

from __future__ import annotations

import io
import re
import threading

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from routes import uploads
from services import jobs_service, uploads_service
from tests.routes.upload_calls import BAD, JOBS, URL, send, uploads_of
from tests.services.upload_files import as_csv, as_ndjson, packed
from tests.visitors import BY_SCOPE


@pytest.mark.parametrize("scope", ["admin", "ingest"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_program_sends_a_file_with_a_token(guarded: Flask, scope: str, method: str) -> None:
    answer = guarded.test_client().open(
        URL,
        method=method,
        query_string={"name": "jobs.ndjson.gz"},
        data=packed(as_ndjson(JOBS)),
        headers={"Authorization": f"Bearer {BY_SCOPE[scope]}", "Accept": "*/*"},
        content_type="application/x-www-form-urlencoded",  # what curl says of --data-binary
    )
    assert answer.status_code == 201
    told = answer.get_json()
    assert answer.headers["Location"] == told["url"] == f"{URL}/{told['number']}"
    assert (told["state"], told["accepted"], told["rejected"], told["format"]) == ("stored", 20, 0, "NDJSON")
    assert (told["name"], uploads_of(guarded)[0].who) == ("jobs.ndjson.gz", f"{scope} token")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["started_at"])


@pytest.mark.parametrize("scope", ["read", "metrics"])
def test_a_token_that_may_not_write_uploads_nothing(guarded: Flask, scope: str) -> None:
    answer = send(guarded.test_client(), BAD, headers={"Authorization": f"Bearer {BY_SCOPE[scope]}"})
    assert answer.status_code == 403
    assert uploads_of(guarded) == ()


def test_nobody_uploads_nothing(guarded: Flask) -> None:
    assert send(guarded.test_client(), BAD).status_code == 401
    assert uploads_of(guarded) == ()


@pytest.mark.parametrize("header", ["%C3%9Cberfahrt.csv", "Überfahrt.csv"])
def test_the_name_may_come_percent_encoded_in_a_header(client: FlaskClient, header: str) -> None:
    answer = client.post(URL, data=as_csv(JOBS), headers={"X-Upload-Name": header.encode().decode("latin-1")})
    assert answer.get_json()["accepted"] == 20
    if header.isascii():
        assert answer.get_json()["name"] == "Überfahrt.csv"


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", 422, "empty"),
        (packed((b'{"id":"' + b"x" * 20_000 + b'"}\n') * 1_500), 413, "200 times"),
        (as_csv(JOBS).decode().encode("utf-16"), 415, "iconv -f UTF-16"),
        (b"hello\n", 415, "not recognised"),
        (packed(as_ndjson(JOBS))[:-9], 400, "ends before its end"),
        (packed(as_ndjson(JOBS)) + b"more", 422, "damaged"),
    ],
)
def test_a_refused_file_is_answered_with_what_to_do(client: FlaskClient, data: bytes, status: int, words: str) -> None:
    answer = send(client, data, "jobs")
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    told = answer.get_json()
    assert words in told["detail"]
    assert told["upload"]["url"] == answer.headers["Location"]
    assert "was refused" in client.get(told["upload"]["url"]).text or told["upload"]["state"] in ("refused", "cut off")


def test_a_body_that_is_declared_too_large_is_refused_before_it_is_read(client: FlaskClient, site: Site) -> None:
    answer = client.post(URL, data=b"x", environ_overrides={"CONTENT_LENGTH": str(5 * 2**30)})
    assert answer.status_code == 413
    assert uploads_service.recent(site) == ()


def test_a_third_file_at_once_is_told_to_wait(client: FlaskClient, site: Site) -> None:
    with uploads._slot(), uploads._slot():
        answer = send(client, BAD)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert answer.content_type == "application/problem+json"
    assert uploads_service.recent(site) == ()
    assert send(client, BAD).status_code == 201


def test_two_files_come_in_at_the_same_time(app: Flask, client: FlaskClient, site: Site) -> None:
    met = threading.Barrier(2, timeout=20)
    done = []

    class Meeting(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self.parts = [data, b""]

        def read(self, size: int = -1) -> bytes:
            if len(self.parts) == 2:
                met.wait()
            return self.parts.pop(0) if self.parts else b""

    def one(data: bytes) -> None:
        environ = {"wsgi.input": Meeting(data), "wsgi.input_terminated": True, "CONTENT_LENGTH": str(len(data))}
        own = app.test_client()
        own.environ_base.update(client.environ_base)
        done.append(own.post(URL, environ_overrides=environ).get_json())

    threads = [threading.Thread(target=one, args=(as_ndjson(JOBS[n::2]),)) for n in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [told["accepted"] for told in done] == [10, 10]
    assert {told["number"] for told in done} == {1, 2}
    assert sum(jobs_service.counts(site).values()) == 20
