"""Log lines as rows of HTML: the same on a page's first paint, over its stream, and in what it missed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jinja2 import Environment

from services import log_text
from services.log_model import LogLine
from services.log_text import Span

MOST_SHOWN, MOST_LINES = 2_000, 24
"""Characters and lines of a message that stand open; the rest of a longer one is folded."""
MOST_LAST = 200

Render = Callable[[Sequence[LogLine]], list[str]]


@dataclass(frozen=True)
class Message:
    """A message as it is drawn: what stands open, and what is folded behind `more`, empty where nothing is. `last` is the last
    line of many that are folded: what a traceback comes down to."""

    open: list[Span]
    folded: list[Span]
    more: str
    last: str = ""


def rows(jinja: Environment) -> Render:
    """What makes a row of each line, in their order: an element with `data-id`, `data-level` and `data-source`."""

    def render(lines: Sequence[LogLine]) -> list[str]:
        row = jinja.get_template("components/log_row.html").module.row  # type: ignore[attr-defined]
        return [str(row(line, message(line.message))).strip() for line in lines]

    return render


def message(text: str) -> Message:
    spans = log_text.spans(text)
    whole = "".join(span.text for span in spans)
    at = _end_of_open(whole)
    if at >= len(whole):
        return Message(spans, [], "")
    lines, characters = whole.count("\n", at), len(whole) - at
    if lines <= 1:
        return Message(*_cut(spans, at), f"{characters:,} more characters")
    last = whole.rstrip().rpartition("\n")[2].strip()[:MOST_LAST]
    return Message(*_cut(spans, at), f"{lines:,} more lines", last)


def _end_of_open(text: str) -> int:
    at = min(len(text), MOST_SHOWN)
    if text.count("\n", 0, at) >= MOST_LINES:
        at = -1
        for _ in range(MOST_LINES):
            at = text.index("\n", at + 1)
    return at


def _cut(spans: list[Span], at: int) -> tuple[list[Span], list[Span]]:
    head, tail = list[Span](), list[Span]()
    for span in spans:
        if at > 0:
            head.append(Span(span.text[:at], span.classes))
        if at < len(span.text):
            tail.append(Span(span.text[max(at, 0) :], span.classes))
        at -= len(span.text)
    return head, tail
