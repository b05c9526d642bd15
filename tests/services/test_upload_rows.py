"""What a row must say to become a job."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.job_rules import HistoryRow
from services.upload_limits import Rejected, Row
from services.upload_rows import Window, job_of, unknown

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WINDOW = Window(NOW, keep_days=30)


def job(**fields: Any) -> HistoryRow:
    told = job_of(Row(7, fields), WINDOW)
    assert isinstance(told, HistoryRow), told
    return told


def rejected(**fields: Any) -> Rejected:
    told = job_of(Row(7, fields), WINDOW)
    assert isinstance(told, Rejected), told
    assert told.line == 7
    return told


def test_a_whole_row_becomes_a_job() -> None:
    told = job(
        id="a",
        agent="encoder",
        status="failed",
        current_step="upload",
        progress=40,
        error="gone",
        metadata={"size": 3},
        created_at="2026-11-20T10:00:00+01:00",
        finished_at="2026-11-20T09:30:00Z",
        stages=[{"name": "upload", "started_at": "2026-11-20T09:10:00Z", "finished_at": "2026-11-20T09:30:00Z"}],
    )
    assert (told.id, told.agent, told.status, told.stage, told.progress) == ("a", "encoder", "failed", "upload", 40)
    assert told.created_at == datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert told.stages is not None
    assert told.stages[0].name == "upload"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"title": "x"}, "queued"),
        ({"progress": 10}, "processing"),
        ({"stage": "upload"}, "processing"),
        ({"stage": "failed"}, "failed"),
        ({"finished_at": "2026-11-20T10:00:00Z"}, "completed"),
        ({"finished_at": "2026-11-20T10:00:00Z", "error": "gone"}, "failed"),
    ],
)
def test_a_row_without_a_status_has_the_one_that_its_fields_tell(fields: dict[str, Any], status: str) -> None:
    assert job(**fields).status == status


def test_a_row_without_an_id_gets_one_that_follows_from_what_it_says() -> None:
    first = job(title="x", progress=5, created_at="2026-11-20T10:00:00Z")
    again = job(created_at="2026-11-20T10:00:00Z", progress=5.0, title="x", unheard_of=1)
    other = job(title="y", progress=5, created_at="2026-11-20T10:00:00Z")
    assert first.id == again.id
    assert first.id != other.id


@pytest.mark.parametrize(
    ("fields", "column", "words"),
    [
        ({"finished_at": "2026-10-21T11:00:00Z"}, "finished_at", "HEADWAY_KEEP_DAYS"),
        ({"finished_at": "2026-11-21T12:02:00Z"}, "finished_at", "future"),
        ({"created_at": "9999-12-31T23:59:59Z"}, "created_at", "future"),
        ({"created_at": "0001-01-01T00:00:00+14:00"}, "created_at", "before 1970"),
        ({"created_at": "2026-11-20T10:00:00"}, "created_at", "zone"),
        ({"created_at": "yesterday"}, "created_at", "zone"),
        ({"created_at": 1_700_000_000}, "created_at", "zone"),
        ({"created_at": "2026-11-20T10:00:00Z", "finished_at": "2026-11-20T09:00:00Z"}, "finished_at", "earlier"),
        ({"status": "processing", "finished_at": "2026-11-20T09:00:00Z"}, "finished_at", "status is processing"),
        ({"stages": [{"name": "a", "started_at": "2027-01-01T00:00:00Z"}]}, "stages[0].started_at", "future"),
        ({"status": "done"}, "status", "queued"),
        ({"progress": 101}, "progress", ""),
        ({"progress": -1}, "progress", ""),
        ({"progress": "50"}, "progress", ""),
        ({"progress": True}, "progress", ""),
        ({"progress": 1e308}, "progress", ""),
        ({"attempt": 0}, "attempt", ""),
        ({"id": "123"}, "id", ""),
        ({"id": "a b"}, "id", ""),
        ({"id": "x" * 129}, "id", ""),
        ({"agent": "a/b"}, "agent", ""),
        ({"title": "x" * 501}, "title", ""),
        ({"stage": "a", "current_step": "b"}, "stage", "two differ"),
        ({"metadata": [1]}, "metadata", ""),
    ],
)
def test_a_wrong_field_is_named_with_its_fault(fields: dict[str, Any], column: str, words: str) -> None:
    told = rejected(**fields)
    assert told.column == column
    assert words in told.reason


def test_a_clock_that_is_a_little_ahead_is_let_pass() -> None:
    assert job(finished_at="2026-11-21T12:00:30Z").status == "completed"


@pytest.mark.parametrize("fields", [{}, {"other": 1}, {"id": None, "title": None}])
def test_a_row_that_says_nothing_is_rejected(fields: dict[str, Any]) -> None:
    assert "says nothing" in rejected(**fields).reason


def test_fields_that_no_job_has_are_left_out_and_named() -> None:
    assert job(id="a", owner="me").id == "a"
    assert list(unknown(Row(1, {"id": "a", "owner": "me", "current_step": "x"}))) == ["owner"]
