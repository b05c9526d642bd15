"""Log lines as rows of HTML."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from panels._log_rows import MOST_LAST, MOST_LINES, MOST_SHOWN, message
from services.log_model import LineId, LogLine
from services.log_text import spans
from tests.panels.boards import HOSTILE, Parts

AT = 1_795_000_000.25


def row(app: Flask, text: str = "hello", level: Any = "info", source: str = "web", job: Any = None, **of: Any) -> str:
    line = LogLine(LineId(1700000000000, 3, 12), AT, level, source, text, job, **of)
    (html,) = app.extensions["headway.log_rows"]([line])
    return str(html)


def test_a_row_tells_id_time_level_source_and_text(app: Flask) -> None:
    html = row(app, level="warning", source="worker.1")
    assert html.startswith('<div class="log warning" data-id="1700000000000-3-12" data-level="warning"')
    assert 'datetime="2026-11-18T' in html
    words = Parts(html).text
    for said in ("warning", "worker.1", "hello"):
        assert said in words


def test_colours_become_classes_and_no_control_character_is_left(app: Flask) -> None:
    html = row(app, "all \x1b[1;31mred\x1b[0m here")
    assert '<span class="ansi-red ansi-bold">red</span> here' in html
    assert "\x1b" not in html


@pytest.mark.parametrize("place", ["text", "source", "job"])
def test_hostile_text_stays_text(app: Flask, place: str) -> None:
    html = row(app, **{place: HOSTILE}, agent="a", job_id="b") if place == "job" else row(app, **{place: HOSTILE})
    parts = Parts(html)
    assert {"script", "img", "svg", "iframe"}.isdisjoint(parts.tags)
    assert not any(name.startswith("on") for name, _ in parts.attributes)
    assert HOSTILE[:20] in parts.text


def test_a_job_is_led_to_as_it_was_named(app: Flask) -> None:
    assert 'href="/dashboard/jobs/17">#17</a>' in row(app, job=17, agent="studio", job_id="x")
    named = row(app, job="ep-1", agent="a & b", job_id="ep-1")
    assert 'href="/dashboard/jobs?find=ep-1&amp;agent=a%20%26%20b"' in named


def test_a_long_message_is_folded_and_nothing_of_it_is_lost(app: Flask) -> None:
    text = "x" * MOST_SHOWN + "\x1b[32m" + "y" * 500
    cut = message(text)
    assert cut.more == "500 more characters"
    assert [span.classes for span in cut.folded] == ["ansi-green"]
    assert "".join(span.text for span in cut.open + cut.folded) == "".join(span.text for span in spans(text))
    html = row(app, text)
    assert "<details><summary>500 more characters</summary>" in html


def test_of_many_lines_the_rest_is_folded_at_a_lines_end() -> None:
    text = "\n".join(f"frame {n}" for n in range(MOST_LINES + 5))
    cut = message(text)
    assert "".join(span.text for span in cut.open) == "\n".join(f"frame {n}" for n in range(MOST_LINES))
    assert cut.more == "5 more lines"


def test_what_a_long_traceback_comes_down_to_stands_in_sight(app: Flask) -> None:
    text = "Traceback:\n" + "  frame\n" * 40 + "ValueError: <b>bad</b>\n"
    assert "more lines, the last: <bdi>ValueError: &lt;b&gt;bad&lt;/b&gt;</bdi></summary>" in row(app, text)
    assert len(message(text + "x" * 500).last) == MOST_LAST


def test_an_empty_message_is_a_row_too(app: Flask) -> None:
    assert message("").more == ""
    assert 'data-level="info"' in row(app, "")
