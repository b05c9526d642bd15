"""A file on its way into the store, and what is kept of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app import create_app
from core import keys
from core.settings import read
from core.site import Site
from core.store import StoreError
from services import jobs_service, upload_export, upload_records, uploads_service
from services.job_changes import JobRef
from services.job_model import Job
from services.upload_limits import LIMITS, CutOff, Rejected
from services.upload_records import Stored, Upload
from services.uploads_service import StoreAway
from tests.conftest import TOKEN, Valkey, wait_until
from tests.services.upload_files import as_csv, as_ndjson, packed, pieces

JOBS = [
    {"id": f"job-{n}", "agent": "encoder", "title": f"Job {n}", "status": "completed", "progress": 100}
    for n in range(1200)
]


def receive(site: Site, data: bytes, name: str = "jobs.ndjson", piece: int = 4096) -> Upload:
    return uploads_service.receive(site, name, "anyone", pieces(data, piece))


def total(site: Site) -> int:
    return sum(jobs_service.counts(site).values())


def broken_after(data: bytes, fault: BaseException) -> Iterator[bytes]:
    yield from pieces(data)
    raise fault


def test_every_good_row_becomes_a_job(site: Site) -> None:
    upload = receive(site, packed(as_ndjson(JOBS)), "jobs.ndjson.gz")
    assert (upload.state, upload.accepted, upload.unchanged, upload.rejected) == ("stored", 1200, 0, 0)
    assert (upload.format, upload.reason, upload.name) == ("NDJSON", None, "jobs.ndjson.gz")
    assert upload.received_bytes == len(packed(as_ndjson(JOBS)))
    found = jobs_service.get(site, JobRef(agent="encoder", id="job-7"))
    assert isinstance(found, Job)
    assert (found.title, found.status) == ("Job 7", "completed")
    assert jobs_service.counts(site)["completed"] == 1200


def test_the_same_file_again_changes_nothing_and_names_the_first(site: Site) -> None:
    first = receive(site, as_ndjson(JOBS))
    before = jobs_service.page(site, limit=50)
    again = receive(site, as_ndjson(JOBS), "copy.ndjson")
    assert (again.accepted, again.unchanged, again.same_as) == (1200, 1200, first.number)
    assert first.same_as is None
    assert jobs_service.page(site, limit=50) == before


def test_rows_without_ids_are_the_same_jobs_in_another_format(site: Site) -> None:
    jobs = [{"title": f"Nameless {n}", "status": "failed", "progress": 5, "error": "gone"} for n in range(30)]
    receive(site, as_ndjson(jobs))
    again = receive(site, as_csv(jobs), "jobs.csv")
    assert (again.accepted, again.unchanged) == (30, 30)
    assert total(site) == 30


def test_bad_rows_are_kept_with_line_column_and_reason(site: Site) -> None:
    data = (
        b'{"id":"a"}\n{"id":"b","progress":500}\nnot json\n{"id":"c","result":"' + b"x" * 40_000 + b'"}\n{"id":"d"}\n'
    )
    upload = receive(site, data)
    assert (upload.state, upload.accepted, upload.rejected) == ("with errors", 2, 3)
    rows = list(uploads_service.rejected(site, upload.number))
    assert [(row.line, row.column) for row in rows] == [(2, "progress"), (3, "character 1"), (4, "result")]
    assert "16384 is the most" in rows[2].reason
    assert 0 < site.store.redis.ttl(keys.UPLOAD_REJECTED.at(0, upload.number)) <= 30 * 86_400


def test_of_many_bad_rows_the_first_are_kept_and_the_others_counted(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads_service, "MOST_REJECTED", 700)
    upload = receive(site, b"{}\n" * 3000)
    assert upload.rejected == 3000
    assert [row.line for row in uploads_service.rejected(site, upload.number)] == list(range(1, 701))


def test_fields_that_no_job_has_are_told_once(site: Site) -> None:
    upload = receive(site, b"id,owner,cost\na,me,3\nb,you,4\n", "jobs.csv")
    assert upload.ignored == ("owner", "cost")
    assert (upload.state, upload.accepted) == ("stored", 2)


def test_what_came_before_a_cut_is_stored_and_the_half_row_is_not(site: Site) -> None:
    data = b"id,status\n" + b"".join(b"job-%d,completed\n" % n for n in range(20)) + b"job-20,comp"
    upload = uploads_service.receive(site, "a.csv", "anyone", broken_after(data, CutOff("the line went dead")))
    assert (upload.state, upload.accepted, upload.rejected) == ("cut off", 20, 0)
    assert upload.reason
    assert upload.reason.startswith("the line went dead; the rows before are stored")
    assert jobs_service.get(site, JobRef(id="job-20")) is None


def test_gzip_that_ends_early_is_cut_off(site: Site) -> None:
    upload = receive(site, packed(as_ndjson(JOBS))[:-50])
    assert upload.state == "cut off"
    assert receive(site, packed(as_ndjson(JOBS))).accepted == 1200


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "empty"),
        (as_csv(JOBS).decode().encode("utf-16"), "encoding"),
        (b"PK\x03\x04 and so on", "format"),
        (packed((b'{"id":"' + b"x" * 20_000 + b'"}\n') * 1_500), "bomb"),
    ],
)
def test_a_refused_file_is_recorded_with_its_reason(site: Site, data: bytes, fault: str) -> None:
    upload = receive(site, data, piece=65536)
    assert (upload.state, upload.fault) == ("refused", fault)
    assert upload.reason
    assert uploads_service.recent(site, 1) == (upload,)


def test_a_file_past_the_limit_is_refused_where_it_passes_it(site: Site) -> None:
    limits = replace(LIMITS, received_bytes=100_000)
    upload = uploads_service.receive(site, "a", "anyone", pieces(as_ndjson(JOBS)), limits=limits)
    assert (upload.state, upload.fault) == ("refused", "too big")
    assert upload.received_bytes <= 101_000
    assert "the rows before are stored" in (upload.reason or "")


def test_an_upload_shows_as_receiving_while_it_comes(site: Site) -> None:
    seen = []

    def chunks() -> Iterator[bytes]:
        yield as_ndjson(JOBS[:3])
        seen.extend(uploads_service.recent(site, 5))

    uploads_service.receive(site, "a", "anyone", chunks(), expected_bytes=300)
    assert [(one.state, one.expected_bytes, one.is_over) for one in seen] == [("receiving", 300, False)]


def test_an_upload_whose_process_died_shows_as_interrupted(site: Site) -> None:
    number = upload_records.begin(site, Stored(name="a", who="anyone", started=site.clock()))
    site.store.redis.delete(keys.UPLOAD_ALIVE.at(0, number))  # what its expiry does
    upload = uploads_service.get(site, number)
    assert upload is not None
    assert upload.state == "interrupted"
    assert "send the file again" in (upload.reason or "")


def test_a_slow_upload_stays_alive(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_records, "BEAT_S", 0.02)
    number = upload_records.begin(site, Stored(name="a", who="anyone", started=site.clock()))
    key = keys.UPLOAD_ALIVE.at(0, number)
    with upload_records.Heart(site, number):
        site.store.redis.delete(key)
        wait_until(lambda: site.store.redis.exists(key), what="the next beat")


def test_whatever_ends_an_upload_from_within_leaves_it_interrupted(site: Site) -> None:
    class Killed(BaseException): ...

    with pytest.raises(Killed):
        uploads_service.receive(site, "a", "anyone", broken_after(as_ndjson(JOBS), Killed()))
    (upload,) = uploads_service.recent(site, 1)
    assert upload.state == "interrupted"


def test_a_store_that_goes_away_stops_the_upload_and_sending_again_completes_it(
    own_valkey: Callable[..., Valkey], tmp_path: Path
) -> None:
    valkey = own_valkey("--appendonly", "yes")
    app = create_app(read({"REDIS_URL": valkey.url, "HEADWAY_TOKEN": TOKEN, "HEADWAY_DATA": str(tmp_path)}))
    site: Site = app.extensions["headway"]

    def chunks() -> Iterator[bytes]:
        yield as_ndjson(JOBS[:900])
        valkey.stop()
        yield as_ndjson(JOBS[900:])

    with pytest.raises(StoreAway) as away:
        uploads_service.receive(site, "a", "anyone", chunks())
    assert "can't be reached" in str(away.value)
    with pytest.raises(StoreError):
        uploads_service.recent(site, 1)
    valkey.start()
    wait_until(lambda: uploads_service.recent(site, 1)[0].state == "interrupted", what="the lost heart")
    again = receive(site, as_ndjson(JOBS))
    assert (again.state, again.accepted) == ("stored", 1200)
    assert again.unchanged == 500
    site.store.close()


def test_the_last_thousand_uploads_are_kept(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_records, "KEPT", 3)
    first = receive(site, b'{"id":"a"}\n{}\n')
    for n in range(4):
        receive(site, b'{"id":"b%d"}\n' % n)
    assert [one.number for one in uploads_service.recent(site)] == [first.number + n for n in (4, 3, 2)]
    assert uploads_service.get(site, first.number) is None
    assert not site.store.redis.exists(keys.UPLOAD_REJECTED.at(0, first.number))
    assert site.store.redis.hlen(keys.UPLOAD_SUMS.at()) == 3


def test_a_damaged_record_does_not_hide_the_others(site: Site) -> None:
    one, two = receive(site, b'{"id":"a"}\n'), receive(site, b'{"id":"b"}\n')
    site.store.redis.hset(keys.UPLOAD.at(0, one.number), "accepted", "many")
    assert [upload.number for upload in uploads_service.recent(site)] == [two.number]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("jobs.csv", "jobs.csv"),
        ("../../etc/passwd", "../../etc/passwd"),
        ("a\r\nSet-Cookie: x=1", "a Set-Cookie: x=1"),
        ("a\0b\x1b[31m", "ab[31m"),
        ("\ud800x", "x"),
        ("", "unnamed"),
        (" \t ", "unnamed"),
        ("x" * 1000, "x" * 199 + "…"),
        ("<svg onload=alert(1)>", "<svg onload=alert(1)>"),
    ],
)
def test_a_name_is_shown_on_one_line_and_without_what_cannot_be_seen(name: str, shown: str) -> None:
    assert uploads_service.shown_name(name) == shown


def test_a_name_out_of_percent_encoding_survives_what_is_not_utf_8() -> None:
    assert uploads_service.name_from_url("Überfahrt%20%F0%9F%9A%A2%ff.csv") == "Überfahrt 🚢\ufffd.csv"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd", "'+cmd"),
        ("-cmd", "'-cmd"),
        ("@sum", "'@sum"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("-5", "-5"),
        ("-5.25", "-5.25"),
        ("+1e9", "+1e9"),
        ("-5\n=1", "'-5\n=1"),
        ("plain", "plain"),
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_is_quoted_and_a_number_stays_one(text: str, cell: str) -> None:
    assert upload_export.safe_cell(text) == cell


def test_rejected_rows_come_out_as_csv_that_reads_back() -> None:
    rows = [Rejected(2, "metadata.=x", 'has "quotes", commas\nand lines'), Rejected(3, "=cmd|' /C calc'!A0", "-1")]
    read_back = list(csv.reader(io.StringIO("".join(upload_export.as_csv(rows)), newline="")))
    assert read_back == [
        ["line", "column", "reason"],
        ["2", "metadata.=x", 'has "quotes", commas\nand lines'],
        ["3", "'=cmd|' /C calc'!A0", "-1"],
    ]


def test_the_records_are_plain_values(site: Site) -> None:
    upload = receive(site, b'{"id":"a"}\n')
    assert json.loads(json.dumps({"n": upload.number, "at": upload.started_at.isoformat()}))["n"] == upload.number
    assert upload.sha256
    assert len(upload.sha256) == 64
