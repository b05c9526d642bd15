"""What stands in the log, and what never does."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from core.logs import MOST_SHOWN, printable
from tests.conftest import TOKEN, free_port, wait_until
from tests.serving import Server


@pytest.fixture(scope="module")
def one() -> Iterator[Server]:
    one = Server(free_port(), TOKEN)
    try:
        yield one.start()
        one.kill()
    finally:
        one.close()


def line_about(one: Server, text: str) -> str:
    """The last line with `text`; it is written after the answer."""
    found = wait_until(lambda: [line for line in one.log().splitlines() if text in line], what="the log's line")
    return found[-1]


def test_a_request_is_one_short_line_without_its_query_and_headers(one: Server):
    one.get("/healthz?token=a-secret-in-the-query", headers={"Referer": "http://a-secret-referrer/"})
    line = line_about(one, '"GET /healthz"')
    assert re.fullmatch(r'\S+ 127\.0\.0\.1 "GET /healthz" 200 \d+ B \d+ ms \S+', line)
    assert "a-secret" not in one.log()
    assert one.token not in one.log()


def test_a_path_can_neither_begin_a_line_nor_colour_a_terminal(one: Server):
    one.get("/%0d%0a2020-01-01T00:00:00+0000%20ERROR%20forged%1b%5b31m%c2%9b%e2%80%ae%22")
    assert line_about(one, "forged").startswith("20")
    assert not any(line.startswith("2020-01-01") for line in one.log().splitlines())
    assert not set(one.log()) & {"\x1b", "\x9b", "\u202e", "\r"}


def test_a_long_path_is_cut(one: Server):
    one.get("/" + "x" * 5000)
    assert len(line_about(one, "xxxx")) < MOST_SHOWN + 200


def test_printable_leaves_letters_of_any_script_as_they_are():
    assert printable("/jobs/日本-Ünïcode 1") == "/jobs/日本-Ünïcode 1"
    assert printable("a\nb\x00c\u2028d") == r"a\nb\x00c\u2028d"
