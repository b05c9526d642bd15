"""Uploads over HTTP: by a program, by a page's form, and what is shown of them."""

from __future__ import annotations

import csv
import gc
import io
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.sansio.multipart import MultipartDecoder
from werkzeug.test import TestResponse

from app import create_app
from core import keys
from core.settings import Settings
from core.site import Site
from core.store import Store
from routes import uploads
from services import jobs_service, upload_records, uploads_service
from tests.services.upload_files import as_csv, as_ndjson, packed
from tests.visitors import BY_SCOPE, browser, with_tokens

URL = "/dashboard/uploads"
JOBS = [{"id": f"job-{n}", "title": f"Job {n}", "status": "completed"} for n in range(20)]
BAD = b'{"id":"a"}\n{"id":"b","progress":500}\n{"id":"c","title":"\\u0000"}\n'
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def guarded(settings: Settings, store: Store) -> Flask:
    """The application with a token of every scope."""
    app = create_app(with_tokens(settings))
    app.testing = True
    return app


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


# Programs


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
        (packed(b'{"id":"x"}\n' * 3_000_000), 413, "200 times"),
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


# Browsers


def test_a_form_without_a_script_leads_to_the_uploads_page(guarded: Flask) -> None:
    client = browser(guarded)
    answer = client.post(URL, **form(as_ndjson(JOBS), token=token_on(client)))
    (upload,) = uploads_of(guarded)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{URL}/{upload.number}")
    assert (upload.name, upload.accepted, upload.who) == ("jobs.ndjson", 20, "admin, signed in")
    assert upload.received_bytes == len(as_ndjson(JOBS))
    assert "20" in client.get(answer.headers["Location"]).text


@pytest.mark.parametrize(
    "sent",
    [
        form(BAD),
        form(BAD, token="wrong-token"),
        {"data": BAD, "headers": {"X-CSRF-Token": "wrong-token"}},
        {"data": BAD},
    ],
    ids=["no token", "wrong token", "wrong header", "no header"],
)
def test_a_browser_without_our_token_uploads_nothing(guarded: Flask, sent: dict[str, Any]) -> None:
    assert browser(guarded).post(URL, **sent).status_code == 403
    assert uploads_of(guarded) == ()


def test_a_token_behind_the_file_comes_too_late(guarded: Flask) -> None:
    client = browser(guarded)
    assert client.post(URL, **form(BAD, token=token_on(client), late=True)).status_code == 403
    assert uploads_of(guarded) == ()


def test_another_sites_page_uploads_nothing_even_with_a_token(guarded: Flask) -> None:
    client = browser(guarded)
    sent = form(BAD, token=token_on(client))
    sent["headers"] = {**BROWSER, "Origin": "https://evil.example"}
    assert client.post(URL, **sent).status_code == 403
    assert uploads_of(guarded) == ()


def test_a_script_sends_the_file_as_the_body_with_the_token_in_a_header(guarded: Flask) -> None:
    client = browser(guarded)
    answer = client.put(f"{URL}?name=a.csv", data=as_csv(JOBS), headers={"X-CSRF-Token": token_on(client)})
    assert (answer.status_code, answer.get_json()["accepted"]) == (201, 20)


def test_who_may_only_read_sees_uploads_and_no_form(guarded: Flask) -> None:
    client = browser(guarded, BY_SCOPE["read"])
    page = client.get(URL)
    assert page.status_code == 200
    assert 'type="file"' not in page.text
    assert send(client, BAD).status_code == 403


def test_a_form_without_a_file_says_so(client: FlaskClient, site: Site) -> None:
    assert client.post(URL, **form(b"", name="")).status_code == 422
    empty = {"data": b"--edge--\r\n", "content_type": "multipart/form-data; boundary=edge"}
    assert client.post(URL, **empty).status_code == 422
    assert uploads_service.recent(site) == ()


@pytest.mark.parametrize(
    "sent",
    [
        {"data": b"hello", "content_type": "multipart/form-data"},
        {"data": b"hello", "content_type": "multipart/form-data; boundary=edge"},
        {"data": b"--edge\r\n" + b"x" * 200_000, "content_type": "multipart/form-data; boundary=edge"},
        {"data": b'--edge\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"x" * 9000,
         "content_type": "multipart/form-data; boundary=edge"},
    ],
)  # fmt: skip
def test_a_form_that_is_none_is_refused(client: FlaskClient, site: Site, sent: dict[str, Any]) -> None:
    assert client.post(URL, **sent).status_code == 400
    assert uploads_service.recent(site) == ()


def test_nothing_of_a_refused_form_stays_in_memory(client: FlaskClient) -> None:
    for _ in range(3):
        client.post(URL, data=b"--edge\r\n" + b"x" * 200_000, content_type="multipart/form-data; boundary=edge")
    gc.collect()
    assert not [kept for kept in gc.get_objects() if isinstance(kept, MultipartDecoder)]


def test_a_form_that_ends_within_the_file_is_cut_off(client: FlaskClient, site: Site) -> None:
    sent = form(as_ndjson(JOBS))
    sent["data"] = sent["data"][:-60]
    assert client.post(URL, **sent).status_code == 303
    (upload,) = uploads_service.recent(site)
    assert upload.state == "cut off"
    assert 0 < upload.accepted < 20


def test_a_file_that_holds_boundaries_comes_through_whole(client: FlaskClient, site: Site) -> None:
    jobs = [{"id": "a", "title": "--edge", "message": "\r\n--edg\r\n--edge-"}, {"id": "b"}]
    client.post(URL, **form(as_ndjson(jobs)))
    (upload,) = uploads_service.recent(site)
    assert (upload.state, upload.accepted) == ("stored", 2)


# What is shown


HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>\u202e.csv"


def test_a_hostile_name_stays_text_everywhere(client: FlaskClient, site: Site) -> None:
    number = send(client, BAD, HOSTILE).get_json()["number"]
    for path in (URL, f"{URL}/rows", f"{URL}/{number}", f"{URL}/{number}/state", f"{URL}/{number}/rejected.csv"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
        assert all("alert" not in value for _, value in answer.headers)


def test_hostile_rows_stay_text(client: FlaskClient) -> None:
    number = send(client, b'{"<b>x</b>":1,"id":"a"}\n{"metadata":{"<i>":"\\ud800"}}\n', "a").get_json()["number"]
    page = client.get(f"{URL}/{number}").text
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "metadata.&lt;i&gt;" in page
    assert "<i>" not in page


def test_the_list_names_every_upload_and_links_to_it(client: FlaskClient) -> None:
    assert "No uploads yet" in client.get(URL).text
    send(client, as_ndjson(JOBS), "good.ndjson")
    send(client, BAD, "bad.ndjson")
    page = client.get(URL).text
    assert page.index("bad.ndjson") < page.index("good.ndjson")
    for number in (1, 2):
        assert f'href="{URL}/{number}"' in page
    assert "with errors" in page
    assert 'hx-trigger="every 10s' in page


def test_a_poll_of_the_list_is_304_until_it_changes(client: FlaskClient) -> None:
    send(client, BAD)
    first = client.get(f"{URL}/rows", headers={"HX-Request": "true"})
    again = client.get(f"{URL}/rows", headers={"HX-Request": "true", "If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    send(client, as_ndjson(JOBS))
    assert client.get(f"{URL}/rows", headers={"If-None-Match": first.headers["ETag"]}).status_code == 200
    assert re.findall(r"\shx-\w+", first.text) == []


def test_an_uploads_page_tells_all_of_it(client: FlaskClient) -> None:
    send(client, BAD, "first.ndjson")
    number = send(client, BAD, "again.ndjson").get_json()["number"]
    page = client.get(f"{URL}/{number}").text
    for words in ("again.ndjson", "with errors", "Same content as", "upload 1", "NDJSON", "1 of them unchanged",
                  "progress", "title", "NUL", "SHA-256"):  # fmt: skip
        assert words in page
    assert f'href="{URL}/{number}/rejected.csv"' in page
    assert "data-live" not in page


def test_of_many_rejected_rows_the_page_shows_the_first_hundred(client: FlaskClient) -> None:
    number = send(client, b"{}\n" * 150).get_json()["number"]
    page = client.get(f"{URL}/{number}").text
    assert page.count("says nothing about a job") == 100
    assert "The first 100 of 150" in page


def test_rejected_rows_that_are_no_longer_kept_are_said_to_be_gone(client: FlaskClient, site: Site) -> None:
    number = send(client, BAD).get_json()["number"]
    site.store.redis.delete(keys.UPLOAD_REJECTED.at(0, number))
    assert "no longer kept" in client.get(f"{URL}/{number}").text


def test_rejected_rows_can_be_downloaded(client: FlaskClient) -> None:
    number = send(client, BAD + b"{}\n" * 1200, HOSTILE).get_json()["number"]
    answer = client.get(f"{URL}/{number}/rejected.csv")
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="upload-{number}-rejected.csv"'
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert rows[0] == ["line", "column", "reason"]
    assert len(rows) == 1203
    assert rows[1][:2] == ["2", "progress"]
    assert [row[0] for row in rows[3:6]] == ["4", "5", "6"]


def test_an_upload_in_progress_is_shown_with_how_far_it_is(client: FlaskClient, site: Site) -> None:
    stored = upload_records.Stored(
        name="big.csv", who="anyone", started=site.clock(), expected=2_000_000, received=500_000
    )
    number = upload_records.begin(site, stored)
    page = client.get(f"{URL}/{number}").text
    assert 'max="2000000" value="500000"' in page
    assert "0.5 MB of 2.0 MB" in page or "500.0 kB of 2.0 MB" in page
    assert "Headway-Resting" not in client.get(f"{URL}/{number}/state").headers
    site.store.redis.delete(keys.UPLOAD_ALIVE.at(0, number))
    lost = client.get(f"{URL}/{number}/state")
    assert lost.headers["Headway-Resting"] == "yes"
    assert "interrupted" in lost.text


@pytest.mark.parametrize("number", ["0", "77", str(2**60), "1" * 40])
@pytest.mark.parametrize("below", ["", "/state", "/rejected.csv"])
def test_an_unknown_upload_is_not_found(client: FlaskClient, number: str, below: str) -> None:
    assert client.get(f"{URL}/{number}{below}").status_code == 404


def test_a_stream_that_breaks_is_a_cut_and_not_an_error(client: FlaskClient, site: Site) -> None:
    class Broken(io.RawIOBase):
        def __init__(self) -> None:
            self.parts: Iterator[bytes] = iter([as_ndjson(JOBS)])

        def read(self, size: int = -1) -> bytes:
            try:
                return next(self.parts)
            except StopIteration:
                raise ConnectionResetError from None

    answer = client.post(URL, environ_overrides={"wsgi.input": Broken(), "wsgi.input_terminated": True})
    assert answer.status_code == 400
    (upload,) = uploads_service.recent(site)
    assert (upload.state, upload.accepted) == ("cut off", 20)
    assert (upload.reason or "").startswith("the connection was lost")
