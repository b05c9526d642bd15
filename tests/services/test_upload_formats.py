"""Encoding and format are told from the content; what is neither is refused in words that help."""

from __future__ import annotations

import bz2
import io
import lzma
import tarfile
import zipfile

import pytest

from services.upload_limits import LIMITS, Refused
from services.upload_reader import read
from tests.services.upload_files import as_csv, as_json, as_ndjson, fields, packed, pieces, read_all, reasons

JOBS = [{"id": f"job-{n}", "title": "Überfahrt 🚢", "status": "completed"} for n in range(3)]


def refusal(data: bytes, name: str = "jobs") -> Refused:
    with pytest.raises(Refused) as refused:
        read_all(data, name)
    return refused.value


def an_archive_with(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, as_ndjson(JOBS))
    return out.getvalue()


def a_tar_with_a_link() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        link = tarfile.TarInfo("jobs.ndjson")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return out.getvalue()


@pytest.mark.parametrize("pack", [bytes, packed], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("data", "format_"),
    [
        (as_ndjson(JOBS), "NDJSON"),
        (as_json(JOBS), "JSON"),
        (b'{"total": 3, "items": ' + as_json(JOBS) + b', "next_cursor": null}', "JSON"),
        (b'{\n  "jobs" : \n' + as_json(JOBS) + b"}", "JSON"),
        (as_csv(JOBS), "CSV"),
        (as_csv(JOBS, ";"), "CSV"),
        (as_csv(JOBS, "\t"), "CSV"),
        (b"\xef\xbb\xbf" + as_csv(JOBS), "CSV"),
        (b"\xef\xbb\xbf" + as_json(JOBS), "JSON"),
        (b"\n\n  " + as_ndjson(JOBS), "NDJSON"),
    ],
)
def test_the_format_is_told_from_the_content(data: bytes, format_: str, pack: type[bytes]) -> None:
    reading = read(pieces(pack(data), 11), "history", LIMITS)
    assert reading.format == format_
    assert fields(list(reading.rows)) == JOBS


@pytest.mark.parametrize("data", [b"", b" \n\r\n\t", b"\xef\xbb\xbf", packed(b"")])
def test_an_empty_file_is_said_to_be_empty(data: bytes) -> None:
    assert refusal(data).fault == "empty"


def test_a_header_alone_is_a_file_without_rows() -> None:
    assert read_all(b"id,title\n") == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_encodings_are_refused_with_the_way_out(encoding: str) -> None:
    fault = refusal(as_csv(JOBS).decode().encode(encoding), "jobs.csv")
    assert fault.fault == "encoding"
    assert "iconv -f UTF-" in str(fault)


def test_latin_1_is_refused_with_its_line_and_the_way_out() -> None:
    fault = refusal("id,title\na,plain\nb,Überfahrt\n".encode("latin-1"))
    assert fault.fault == "encoding"
    assert "line 3 is not UTF-8" in str(fault)
    assert "iconv -f WINDOWS-1252 -t UTF-8" in str(fault)


def test_one_broken_character_among_good_ones_costs_its_row_alone() -> None:
    data = "id,title\na,Über\nb,Üb".encode() + b"\xdc\nc,\xc3\x9cber\n"
    rows = read_all(data)
    assert reasons(rows) == {3: "is not UTF-8 at byte 6"}
    assert [row.line for row in rows] == [2, 3, 4]


def test_latin_1_far_into_a_file_rejects_its_rows() -> None:
    data = b"".join(b'{"id":"a%d"}\n' % n for n in range(9000)) + b'{"id":"x","title":"\xfc"}\n{"id":"y"}\n'
    rows = read_all(data)
    assert list(reasons(rows)) == [9001]
    assert "not UTF-8" in reasons(rows)[9001]
    assert rows[-1].line == 9002


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (an_archive_with("jobs.ndjson"), "zip"),
        (an_archive_with("../../etc/cron.d/x"), "zip"),
        (bz2.compress(as_ndjson(JOBS)), "bzip2"),
        (lzma.compress(as_ndjson(JOBS)), "xz"),
        (packed(packed(as_ndjson(JOBS))), "gzip inside gzip"),
        (b"%PDF-1.7\n", "PDF"),
        (a_tar_with_a_link(), "not text"),
        (bytes(range(256)) * 40, "not text"),
    ],
)
def test_archives_and_binaries_are_refused_by_name(data: bytes, words: str) -> None:
    assert words in str(refusal(data, "jobs.ndjson"))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"hello there\n", "notes.txt"),
        (b"<html></html>", "page"),
        (b"name,size\na,1\n", "other.csv"),
        (b"hello", "jobs.json"),
        (b'{\n "jobs": {"a": 1}\n}', "jobs"),
        (b"id,id\na,b\n", "twice.csv"),
    ],
)
def test_what_is_none_of_the_formats_is_refused(data: bytes, name: str) -> None:
    assert refusal(data, name).fault == "format"


def test_a_file_named_ndjson_whose_first_line_is_wrong_loses_that_line_only() -> None:
    rows = read_all(b'oops\n{"id":"a"}\n', "jobs.NDJSON.gz")
    assert list(reasons(rows)) == [1]
    assert len(rows) == 2


def test_megabytes_of_blank_lines_are_refused_without_keeping_them() -> None:
    assert refusal(b"\n" * 3_000_000).fault == "format"
