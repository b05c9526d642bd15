from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.site import Site
from panels.recent_uploads import RecentUploads
from services import uploads_service
from services.upload_records import Upload
from tests.panels.boards import HOSTILE, assert_harmless, at_noon, show, words

UPLOAD = Upload(
    number=3, name="jobs-2026-10.ndjson.gz", who="anyone", state="with errors", reason=None, fault=None, format="NDJSON",
    received_bytes=1_300_000, expected_bytes=None, accepted=182_004, unchanged=0, rejected=14, ignored=(), sha256=None,
    same_as=None, started_at=datetime(2026, 11, 21, 11, 58, tzinfo=UTC), finished_at=None,
)  # fmt: skip


def test_it_is_on_the_page(client: FlaskClient) -> None:
    assert 'id="panel-recent-uploads"' in client.get("/dashboard/observability").text


def test_a_row_tells_name_size_rows_rejected_state_and_when(app: Flask, site: Site) -> None:
    shown = show(app, at_noon(site), "recent-uploads", lambda _: RecentUploads((UPLOAD,)))
    assert "jobs-2026-10.ndjson.gz 1.3 MB 182,004 14 with errors 21 Nov 2026, 11:58:00 UTC" in words(shown)
    assert b'href="/dashboard/uploads/3"' in shown.html
    assert b'datetime="2026-11-21T11:58:00.000Z"' in shown.html


@pytest.mark.parametrize("state", ["receiving", "stored", "with errors", "cut off", "refused", "interrupted"])
def test_every_state_is_said_in_words(app: Flask, site: Site, state: uploads_service.State) -> None:
    assert state in words(show(app, site, "recent-uploads", lambda _: RecentUploads((replace(UPLOAD, state=state),))))


def test_before_the_first_upload_it_says_what_can_be_uploaded(app: Flask, site: Site) -> None:
    text = words(show(app, site, "recent-uploads"))
    assert text.startswith("No uploads yet. Job history as NDJSON, JSON or CSV can be uploaded")


def test_a_hostile_file_name_stays_text(app: Flask, site: Site) -> None:
    assert_harmless(
        show(app, site, "recent-uploads", lambda _: RecentUploads((replace(UPLOAD, name=HOSTILE),))), HOSTILE
    )


def test_a_real_upload_shows(app: Flask, site: Site) -> None:
    uploads_service.receive(site, "past.ndjson", "anyone", [b'{"id": "a", "status": "completed"}\n'])
    assert "past.ndjson" in words(show(app, site, "recent-uploads"))
