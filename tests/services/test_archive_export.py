"""Exports of the archive: whole, safe to open, uploaded again without loss, in memory that does not grow."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from dataclasses import replace
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from core.database import DatabaseError
from core.site import Site
from services import archive_export, archive_lines, job_changes, jobs_service, upload_export, uploads_service
from services.archive_export import Format
from services.archive_filter import Filter
from services.archive_records import Row
from services.archive_rows import of
from services.archive_schema import JOBS
from services.job_changes import JobRef
from services.job_model import Job, to_ms
from tests import archive
from tests.archived import AT_MS, row, write

HOSTILE = [
    "=1+1",
    "'=1+1",
    "''+x",
    "@cmd",
    "-5",
    "+49 30 1",
    "\ttab",
    "'plain",
    "a\r\nb",
    'say "x"',
    ";,",
    "<b>&",
    "Zoë 🎬",
    "\u202eabc",
]


def exported(site: Site, form: Format, **chosen: Any) -> bytes:
    return b"".join(archive_export.export(site, Filter(**chosen), form))


def story() -> list[Row]:
    stages = [["fetch", AT_MS - 2000, AT_MS - 1000], ["encode", AT_MS - 1000, 0]]
    earlier = [{"attempt": 1, "status": "failed", "progress": 40.5, "error": "Boom\nat line 3", "failedStage": "fetch",
                "started": AT_MS - 9000, "finished": AT_MS - 8001, "stages": [["fetch", AT_MS - 9000, AT_MS - 8001]]}]  # fmt: skip
    whole = row(
        1, title="Whole", agent="studio é", stage="failed", failed_stage="encode", message="so far", error="Traceback\n  x\n",
        progress=45.5, attempt=2, video_id="v1", stages=msgspec.json.encode(stages).decode(), duration_ms=2345,
        attempts=msgspec.json.encode(earlier).decode(), queue="high", function="tasks.encode",
        metadata='{"n": 1, "queue": "high", "function": "tasks.encode"}', result='"text"', worker="w 1",
        tags=" eu vip ", error_type="a.Boom", state="stopped", engine="rq", engine_id="=1 of theirs", wait_ms=125,
    )  # fmt: skip
    made = row(2, stage="done", episode_id="e2", published=True, result="-5", duration_ms=0)
    bare = row(3, started_ms=None, finished_ms=AT_MS + 3001)
    unbegun = row(4, started_ms=None, message="put off", state="canceled", status="failed", engine="rq", wait_ms=400)
    hostile = (row(10 + at, title=text, message=text, error=text) for at, text in enumerate(HOSTILE))
    return [whole, made, bare, unbegun, *hostile]


def test_lines_come_oldest_end_first_and_only_those_that_fit(archived_site: Site) -> None:
    write(
        archived_site,
        *(
            row(n, title=f"Common w{n % 7}", agent=f"a{n % 2}", error="Boom" if n % 3 == 0 else None)
            for n in range(1, 41)
        ),
    )
    for chosen, wanted in (
        ({}, range(1, 41)),
        ({"text": "common", "status": "failed"}, range(3, 41, 3)),
        ({"agent": "a1"}, range(1, 41, 2)),
        ({"text": '"w3"', "agent": "a1"}, [3, 17, 31]),
    ):
        lines = exported(archived_site, "ndjson", **chosen).splitlines()
        assert [json.loads(line)["id"] for line in lines] == [f"job-{n}" for n in wanted]


@pytest.mark.parametrize("form", archive_export.FORMATS)
def test_what_is_exported_can_be_uploaded_into_an_empty_site_without_loss(archived_site: Site, form: Format) -> None:
    write(archived_site, *story())
    before = {(each["agent"], each["id"]): of_row(each) for each in archive.rows(archived_site)}
    late = replace(
        archived_site, clock=lambda: AT_MS / 1000 + 86_400, settings=replace(archived_site.settings, keep_days=36_500)
    )
    file = exported(archived_site, form)
    archive.empty(archived_site.database)
    done = uploads_service.receive(late, f"history.{form}", "test", [file])
    assert (done.state, done.accepted, done.unchanged, done.ignored) == ("stored", len(before), 0, ())
    for (agent, id), job in before.items():
        again = jobs_service.get(late, JobRef(agent=agent, id=id))
        assert isinstance(again, Job)
        # A number is the store's own, and when a job was last heard of is not told.
        alike = replace(
            again, number=job.number, updated_at=job.updated_at, metadata=job.metadata, started_at=job.started_at
        )
        assert alike == job
        began = None if job.state == "canceled" else again.created_at
        assert again.started_at == (job.started_at or began)
        assert json.loads(again.metadata or "null") == json.loads(job.metadata or "null")


@pytest.mark.parametrize("form", archive_export.FORMATS)
def test_an_export_of_times_out_of_order_that_versions_before_stored_is_taken(
    archived_site: Site, form: Format
) -> None:
    late_ms = {"created": AT_MS + 900_000, "started": AT_MS + 950_000}
    write(
        archived_site,
        row(1, created_ms=late_ms["created"]),
        row(2, created_ms=late_ms["created"], started_ms=None),
        row(3, created_ms=late_ms["created"], started_ms=late_ms["started"]),
        row(4),
    )
    keep = replace(archived_site.settings, keep_days=36_500)
    late = replace(archived_site, clock=lambda: AT_MS / 1000 + 86_400, settings=keep)
    file = exported(archived_site, form)
    archive.empty(archived_site.database)
    done = uploads_service.receive(late, f"history.{form}", "test", [file])
    assert (done.accepted, done.rejected) == (4, 0)
    told = [jobs_service.get(late, JobRef(agent="studio", id=f"job-{number}")) for number in range(1, 5)]
    ends = [job.finished_at and to_ms(job.finished_at) for job in told if isinstance(job, Job)]
    assert ends == [AT_MS + 1000 * number for number in range(1, 5)]


def of_row(told: dict[str, Any]) -> Job:
    return of(told).job  # type: ignore[arg-type]


def test_no_cell_of_a_csv_is_a_formula_and_each_text_comes_back(archived_site: Site) -> None:
    write(archived_site, *story())
    rows = list(csv.DictReader(io.StringIO(exported(archived_site, "csv").decode(), newline="")))
    told = {each["id"]: each for each in rows}
    for at, text in enumerate(HOSTILE):
        for name in ("title", "message", "error"):
            cell = told[f"job-{10 + at}"][name]
            assert upload_export.safe_cell(cell) == cell
            assert upload_export.plain_cell(cell) == text


def test_an_empty_export_is_a_file_all_the_same(archived_site: Site) -> None:
    assert exported(archived_site, "ndjson") == b""
    assert exported(archived_site, "csv") == archive_lines.csv_header()


def test_what_somebody_else_wrote_into_the_table_does_not_break_the_file(archived_site: Site) -> None:
    write(archived_site, row(1))
    with archived_site.database.write() as connection:
        connection.execute(JOBS.update().values(metadata="{broken", result="NaN"))
    line = json.loads(exported(archived_site, "ndjson"))
    assert (line["metadata"], line["result"]) == ("{broken", "NaN")


def test_memory_does_not_grow_with_the_file(archived_site: Site) -> None:
    told = row(1, message="x" * 2000)
    rows = [
        {name: getattr(told, name) for name in told.__struct_fields__} | {"number": n, "id": f"j{n}"}
        for n in range(6000)
    ]
    with archived_site.database.write() as connection:
        connection.execute(sa.insert(JOBS), rows)
    pieces = archive_export.export(archived_site, Filter(), "ndjson")
    size = len(next(pieces))
    tracemalloc.start()
    size += sum(map(len, pieces))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 12_000_000
    assert peak < 6_000_000


def test_a_file_that_is_given_up_ends_its_query(archived_site: Site) -> None:
    write(archived_site, *(row(n) for n in range(1, 1500)))
    pieces = archive_export.export(archived_site, Filter(), "ndjson")
    next(pieces)
    assert archived_site.database.engine.pool.checkedout() == 1  # type: ignore[attr-defined]
    pieces.close()  # type: ignore[attr-defined]
    assert archived_site.database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("archived_site", ["postgresql"], indirect=True)
def test_what_fails_at_first_is_told_and_what_fails_later_breaks_the_file_off(archived_site: Site) -> None:
    write(archived_site, *(row(n) for n in range(1, 1500)))
    pieces = archive_export.export(archived_site, Filter(), "csv")
    next(pieces)
    with archived_site.database.write() as connection:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        connection.execute(sa.text(others))
    with pytest.raises(OSError, match="PostgreSQL"):
        list(pieces)
    with archived_site.database.write() as connection:
        connection.execute(sa.text("ALTER TABLE jobs RENAME title TO gone"))
    try:
        with pytest.raises(DatabaseError):
            next(archive_export.export(archived_site, Filter(), "csv"))
    finally:
        with archived_site.database.write() as connection:
            connection.execute(sa.text("ALTER TABLE jobs RENAME gone TO title"))


def test_times_are_told_to_the_millisecond_and_read_back_so() -> None:
    for ms in range(AT_MS, AT_MS + 1000):
        assert job_changes.to_ms(archive_lines.EPOCH + ms * archive_lines.MS) == ms
