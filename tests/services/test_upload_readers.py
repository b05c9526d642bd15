"""Rows out of NDJSON, JSON and CSV: each wrong one is told by line and column, and costs no other."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.upload_limits import Refused, Rejected, Row
from services.upload_reader import read
from tests.services.upload_files import as_csv, as_json, as_ndjson, fields, packed, pieces, places, read_all, reasons

KIB = 1024


# What a row may say in all three formats: CSV knows no empty text, and a job's texts are one type there.
text = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\r\t\x7f"), min_size=1, max_size=30)
plain = text.filter(lambda value: bool(value.strip()))
job = st.fixed_dictionaries(
    {"id": plain},
    optional={
        "title": text,
        "message": text,
        "progress": st.integers(0, 100) | st.floats(0, 100, allow_subnormal=False),
        "attempt": st.integers(1, 9),
        "metadata": st.dictionaries(text, text | st.integers(-(2**53), 2**53) | st.none(), max_size=3),
        "result": st.lists(st.booleans(), max_size=3),
    },
)


@settings(max_examples=200, deadline=None)
@given(
    jobs=st.lists(job, min_size=1, max_size=8),
    form=st.sampled_from([as_ndjson, as_json, as_csv]),
    pack=st.sampled_from([bytes, packed]),
    piece=st.integers(1, 300),
)
def test_jobs_come_out_as_they_went_in(jobs, form, pack, piece) -> None:  # type: ignore[no-untyped-def]
    name = "jobs.csv" if form is as_csv else "jobs"
    assert fields(read_all(pack(form(jobs)), name, piece=piece)) == jobs


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=300), start=st.sampled_from([b"", b"[", b'{"items":[', b'{"', b"id,title\n"]),
       piece=st.integers(1, 300))  # fmt: skip
def test_no_bytes_make_a_reader_fall_over(data: bytes, start: bytes, piece: int) -> None:
    try:
        whole = read_all(start + data)
    except Refused as refused:
        with pytest.raises(Refused) as again:
            read_all(start + data, piece=piece)
        assert str(again.value) == str(refused)
    else:
        assert read_all(start + data, piece=piece) == whole


@given(st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | text, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=20),
       st.integers(1, 50))  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_an_array_is_cut_where_its_elements_end(value, piece: int) -> None:  # type: ignore[no-untyped-def]
    jobs = [{"result": value}, {"id": "b"}]
    for data in (json.dumps(jobs), json.dumps(jobs, indent=2), json.dumps({"other": value, "jobs": jobs}, indent=1)):
        assert fields(read_all(data.encode(), piece=piece)) == jobs


def test_wrong_lines_of_ndjson_are_told_by_line_and_column() -> None:
    data = b'{"id":"a"}\n\n{"id":}\n[1]\n{"id":"b","id":"c"}\n{"progress":NaN}\n{"title":"\\ud800"}\n{"id":"\\u0000"}\n'
    rows = read_all(data)
    assert places(rows) == [(3, "character 7"), (4, ""), (5, ""), (6, ""), (7, "title"), (8, "id")]
    assert "'id' stands twice" in reasons(rows)[5]
    assert "NaN" in reasons(rows)[6]
    assert "lone surrogate" in reasons(rows)[7]
    assert "NUL" in reasons(rows)[8]


def test_windows_line_ends_are_line_ends() -> None:
    assert fields(read_all(b'{"id":"a"}\r\n{"id":"b"}\r\n')) == [{"id": "a"}, {"id": "b"}]
    assert fields(read_all(b"id,title\r\na,x\r\n")) == [{"id": "a", "title": "x"}]


@pytest.mark.parametrize("digits", ["9" * 5000, "-" + "9" * 40, "1e999"])
def test_numbers_past_64_bits_are_refused(digits: str) -> None:
    rows = read_all(b'{"id":"a","metadata":{"n":' + digits.encode() + b"}}\n{}\n")
    assert [row.line for row in rows if isinstance(row, Rejected)] == [1]


@pytest.mark.parametrize("depth", [40, 900, 30_000])
def test_deep_nesting_is_refused_and_no_recursion_error(depth: int) -> None:
    deep = b'{"metadata":' + b"[" * depth + b"]" * depth + b"}"
    assert "nested too deep" in reasons(read_all(deep + b"\n{}\n"))[1]
    if depth < 1000:
        rows = read_all(b"[" + deep + b",{}]")
        assert "nested too deep" in reasons(rows)[1]
        assert isinstance(rows[-1], Row)
    else:
        with pytest.raises(Refused, match="1,000 levels deep"):
            read_all(b"[" + deep + b",{}]")


def endless(start: bytes, part: bytes, megabytes: int) -> Iterator[bytes]:
    yield start
    block = part * (64 * KIB // len(part))
    for _ in range(megabytes * 16):
        yield block


@pytest.mark.parametrize(
    ("start", "part", "name"),
    [
        (b'{"id":"', b"a", "a.ndjson"),
        (b'[{"id":"', b"a", "a.json"),
        (b'[{"id":', b"1", "a.json"),
        (b'[{"id":"', b"\\\\", "a.json"),
        (b"[", b"[", "a.json"),
        (b"[", b"{", "a.json"),
        (b'{"other":"', b"a", "a.json"),
        (b"id,title\na,", b"b", "a.csv"),
        (b'id,title\na,"', b"b" * 200 + b"\n", "a.csv"),
        (b"id,title\n", b",", "a.csv"),
    ],
)
def test_a_row_without_an_end_is_reported_and_never_kept(start: bytes, part: bytes, name: str) -> None:
    tracemalloc.start()
    try:
        rows = read(endless(start, part, 20), name).rows
        assert sum(isinstance(row, Rejected) for row in rows)
    except Refused as refused:
        assert refused.fault == "format"
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4_000_000


def test_reading_goes_on_behind_a_row_that_is_too_long() -> None:
    long = "x" * (140 * KIB)
    ndjson = read_all(f'{{"id":"{long}"}}\n{{"id":"b"}}\n'.encode(), "a.ndjson")
    array = read_all(f'[{{"id":"{long}"}},\n{{"id":"b"}}]'.encode())
    table = read_all(f"id,title\na,{long}\nb,c\n".encode())
    for rows, line in ((ndjson, 1), (array, 1), (table, 2)):
        assert "longer than 128 KiB" in reasons(rows)[line]
        assert isinstance(rows[-1], Row)
        assert (rows[-1].line, rows[-1].fields["id"]) == (line + 1, "b")


def test_wrong_elements_of_an_array_cost_no_other() -> None:
    data = b'[{"id":"a"},\n 3,\n {"id":},\n {"id":"b" "title":"c"},\n {"x":1,\n  "x":2},\n,\n {"id":"d"},]'
    rows = read_all(data)
    assert [row.fields["id"] for row in rows if isinstance(row, Row)] == ["a", "d"]
    assert [row.line for row in rows if isinstance(row, Rejected)] == [2, 3, 4, 5, 7, 8]


@pytest.mark.parametrize(
    "data", [b'[{"id":"a"}', b'[{"id":"a"},{"id":', b'{"jobs":[{"id":"a"}', b'{"jobs":[{"id":"a"}]']
)
def test_an_array_without_an_end_says_so_after_what_it_held(data: bytes) -> None:
    rows = read_all(data)
    assert isinstance(rows[-1], Rejected)
    assert "ends before its closing bracket" in rows[-1].reason


def test_text_behind_the_array_is_reported_once() -> None:
    rows = read_all(b'[{"id":"a"}]\n\n[{"id":"b"}]\n[{"id":"c"}]', piece=5)
    assert [(row.line, type(row)) for row in rows] == [(1, Row), (3, Rejected)]


def test_the_lines_of_an_indented_array_are_those_of_the_file() -> None:
    rows = read_all(json.dumps([{"id": "a"}, {"id": "b"}], indent=2).encode())
    assert [row.line for row in rows] == [2, 5]


def test_ragged_rows_are_told_with_their_numbers_of_fields() -> None:
    rows = read_all(b"id,title,status\na,b\nc,d,completed,e\nf,g,queued\n\nh,i,queued\n")
    assert reasons(rows) == {2: "has 2 fields, the header 3", 3: "has 4 fields, the header 3"}
    assert [row.line for row in rows] == [2, 3, 4, 6]


def test_a_quote_that_is_never_closed_is_told_where_it_opens() -> None:
    rows = read_all(b'id,title\na,b\nc,"d\ne,f\n')
    assert reasons(rows) == {3: "a quote is opened here and never closed"}
    far = read_all(b'id,title\na,"b\n' + b"c,d\n" * 40_000)
    assert "not closed within 128 KiB; lines 2 to " in reasons(far)[2]
    assert isinstance(far[-1], Row)
    assert far[-1].line == 40_002


def test_text_behind_a_closing_quote_is_told() -> None:
    rows = read_all(b'id,title\na,"b"c\nd,e\n')
    assert "a quote within quotes is written twice" in reasons(rows)[2]
    assert isinstance(rows[-1], Row)


def test_quoted_cells_hold_separators_quotes_and_line_ends() -> None:
    rows = read_all(b'id;title\na;"b;""c""\nd"\ne;f\n')
    assert [(row.line, row.fields) for row in rows if isinstance(row, Row)] == [
        (2, {"id": "a", "title": 'b;"c"\nd'}),
        (4, {"id": "e", "title": "f"}),
    ]


def test_a_million_columns_are_refused_in_the_header_and_rejected_in_a_row() -> None:
    with pytest.raises(Refused, match="header is longer than 128 KiB"):
        read_all(b"id" + b",x" * 1_000_000 + b"\n", "a.csv")
    with pytest.raises(Refused, match="1,001 columns"):
        read_all(b"id" + b",x" * 1000 + b"\n", "a.csv")
    rows = read_all(b"id,title\na" + b"," * 1_000_000 + b"\nb,c\n")
    assert list(reasons(rows)) == [2]
    assert rows[-1].line == 3


def test_cells_of_the_wrong_kind_name_their_column() -> None:
    rows = read_all(b'id,progress,metadata\na,much,\nb,true,\nc,5,{\nd,0x1,\ne,\x00,\nf,7.5,"{""a"":1}"\n')
    assert places(rows) == [(2, "progress"), (3, "progress"), (4, "metadata"), (5, "progress"), (6, "progress")]
    assert rows[-1] == Row(7, {"id": "f", "progress": 7.5, "metadata": {"a": 1}})


def test_pieces_of_one_byte_read_the_same() -> None:
    data = b'[{"id":"a\\\\"},{"id":"\\"b]}"}, {"metadata":{"x":[1,{"y":2}]}}]'
    assert fields(read_all(pieces(data, 1))) == json.loads(data)
