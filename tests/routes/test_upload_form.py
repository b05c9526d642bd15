"""Uploads by a page's form, with a script and without, and forms that are forged, cut or none."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.sansio.multipart import MultipartDecoder

from core.site import Site
from services import uploads_service
from tests.routes.upload_calls import BAD, BROWSER, JOBS, URL, form, send, token_on, uploads_of
from tests.services.upload_files import as_csv, as_ndjson
from tests.visitors import BY_SCOPE, browser


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
