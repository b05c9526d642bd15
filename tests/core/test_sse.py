from __future__ import annotations

import pytest

from core import sse


def test_an_event_has_its_fields_in_order() -> None:
    event = sse.event({"a": 1}, name="job", id="1-0", retry_ms=2000)
    assert event == b'event: job\nid: 1-0\nretry: 2000\ndata: {"a":1}\n\n'


@pytest.mark.parametrize("text", ["a\nevent: x", "a\r\nevent: x", "a\revent: x"])
def test_a_line_end_in_data_begins_no_field(text: str) -> None:
    assert sse.event(text) == b"data: a\ndata: event: x\n\n"


def test_a_comment_is_no_event() -> None:
    assert sse.comment("keepalive") == b": keepalive\n\n"
