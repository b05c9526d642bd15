"""What a log line's text may hold: colours are kept and drawn, every other terminal code and control character goes."""

from __future__ import annotations

import time

import pytest

from services import log_text
from services.log_text import Span


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("plain text", "plain text"),
        ("two\nlines\twith a tab", "two\nlines\twith a tab"),
        ("windows\r\nends, and 10%\r20%", "windows\nends, and 10%\n20%"),
        ("bell \x07 and back\x08space \x7f \x85", "bell  and backspace  "),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[2J\x1b[1;1Hcleared\x1b[?25l", "cleared"),
        ("\x1b]0;a title\x07shown", "shown"),
        ("\x1b]8;;https://evil.example\x1b\\a link\x1b]8;;\x1b\\", "a link"),
        ("\x1bP1$r0m\x1b\\after\x1b^private\x1b\\", "after"),
        ("\x1b]0;never ended", "0;never ended"),
        ("\x9b31mC1 codes\x9d0;title\x9c", "C1 codes"),
        ("\x1b(Bcharset \x1bMmoved \x1b", "charset moved "),
        ("bidi \u202e stays", "bidi \u202e stays"),
    ],
)
def test_of_terminal_codes_only_colours_are_kept(said: str, kept: str) -> None:
    assert log_text.clean(said) == kept


def test_beginnings_of_codes_without_an_end_cost_no_more_than_other_control_characters() -> None:
    def cost_s(character: str) -> float:
        began = time.process_time()
        assert log_text.clean(character * 50_000) == ""
        return time.process_time() - began

    plain = cost_s("\x01")
    assert all(cost_s(character) < 20 * plain for character in "\x90\x98\x9b\x9d\x9e\x9f\x1b")


def test_what_is_far_beyond_the_cut_is_counted_and_not_looked_at() -> None:
    asked: list[int] = []

    def redact(text: str) -> str:
        asked.append(len(text))
        return text

    assert log_text.kept("x" * 5_000_000, redact) == "x" * 16_000 + "… [4,984,000 more characters were cut]"
    assert log_text.kept("\x7f" * 5_000_000, redact) == "… [4,936,000 more characters were cut]"
    assert log_text.kept("\x1b[31m" * 2_000 + "x" * 6_000, redact) == "\x1b[31m" * 2_000 + "x" * 6_000
    assert max(asked) <= 16_000 + log_text.SLACK


def test_programs_get_text_without_colours() -> None:
    assert log_text.plain("\x1b[1;38;5;196mred\x1b[m and \x1b[4mline\x1b[24m") == "red and line"


@pytest.mark.parametrize(
    ("said", "classes"),
    [
        ("\x1b[31mx", "ansi-red"),
        ("\x1b[91mx", "ansi-bright-red"),
        ("\x1b[44;93mx", "ansi-bright-yellow ansi-on-blue"),
        ("\x1b[1;4mx", "ansi-bold ansi-underline"),
        ("\x1b[1;4;31m\x1b[22;24;39mx", ""),
        ("\x1b[31;1m\x1b[mx", ""),
        ("\x1b[38;5;9mx", "ansi-bright-red"),
        ("\x1b[38;5;196mx", "ansi-bright-red"),
        ("\x1b[48;5;244mx", "ansi-on-bright-black"),
        ("\x1b[38;2;0;200;10mx", "ansi-green"),
        ("\x1b[38:2:250:250:250mx", "ansi-bright-white"),
        ("\x1b[38;5mx", ""),
        ("\x1b[38;2;999;999;999mx", "ansi-bright-white"),
        ("\x1b[999999999999;31mx", "ansi-red"),
    ],
)
def test_each_look_has_its_classes(said: str, classes: str) -> None:
    assert log_text.spans(said) == [Span("x", classes)]


def test_spans_together_are_the_plain_text() -> None:
    text = "a \x1b[31mred\x1b[0m <b>\x1b[1mbold\x1b[0m"
    spans = log_text.spans(text)
    assert "".join(span.text for span in spans) == log_text.plain(text) == "a red <b>bold"
    assert [span.classes for span in spans] == ["", "ansi-red", "", "ansi-bold"]
    assert log_text.spans("") == []


def test_what_is_too_long_is_cut_and_says_by_how_much() -> None:
    assert log_text.kept("x" * 16_000, str) == "x" * 16_000
    assert log_text.kept("x" * 21_500, str) == "x" * 16_000 + "… [5,500 more characters were cut]"


def test_a_secret_that_the_cut_would_part_is_redacted_before() -> None:
    text = "x" * 15_990 + "sesame-sesame-sesame" + "y" * 100
    assert "sesame" not in log_text.kept(text, lambda text: text.replace("sesame-sesame-sesame", "***"))
