"""JSON from outside, read strictly."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import job_json
from services.job_json import JsonError, TextError


@pytest.mark.parametrize("data,says", [
    (b"", "column 1"), (b'{"a":', "column 6"), (b"{'a':1}", "column 2"), (b'{"a":1}x', "column 8"),
    (b"\xef\xbb\xbf{}", "byte order mark"), (b'{"a":"\xff"}', "UTF-8 at byte 7"), ('{"a":1}'.encode("utf-16"), "UTF-8"),
    (b'{"a":NaN}', "NaN"), (b"[Infinity]", "Infinity"), (b"[-Infinity]", "-Infinity"), (b"1e999", "too large"),
    (b'{"a":1,"a":2}', "'a' stands twice"), (b'[{"b":{"a":1,"a":1}}]', "'a' stands twice"),
    (b"9" * 5000, "too large"), (str(2**63).encode(), "too large"), (b'{"a":-99999999999999999999}', "too large"),
    (b"[" * 100_000, "too deep"), (b'{"a":' * 100_000, "too deep"), (b"[" * 33 + b"]" * 33, "too deep"),
    (b'"a\nb"', "control character"),
])  # fmt: skip
def test_what_is_no_good_json_is_refused_with_its_place(data: bytes, says: str) -> None:
    with pytest.raises(JsonError, match=says):
        job_json.decode(data)


@pytest.mark.parametrize("data,field", [
    (b'{"message":"a\\u0000"}', "message"), (b'{"metadata":{"note":["\\ud800"]}}', "metadata.note[0]"),
    (b'{"a\\u0000b":1}', "a key"), (b'{"m":{"\\udfff":1}}', "m"),
])  # fmt: skip
def test_text_that_cannot_be_kept_is_refused_with_its_field(data: bytes, field: str) -> None:
    with pytest.raises(TextError) as caught:
        job_json.decode(data)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "value", [0, 2**63 - 1, -(2**63) + 1, 1.5, "é", "\U0001f680", [[[1]]], {"a": {"b": [None, True]}}]
)
def test_what_is_good_comes_out_as_it_is(value: object) -> None:
    assert job_json.decode(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_either_read_or_refused(data: bytes) -> None:
    try:
        job_json.decode(data)
    except (JsonError, TextError) as fault:
        assert str(fault)
