"""What is shown of uploads, whatever their names and rows hold."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from core import keys
from core.site import Site
from services import upload_records, uploads_service
from tests.routes.upload_calls import BAD, JOBS, URL, send
from tests.services.upload_files import as_ndjson

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
    assert 'hx-trigger="every 2s' in page


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
