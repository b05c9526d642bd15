"""What kind of error a text tells of: the name that Python, and most others, put before the colon of its last line."""

from __future__ import annotations

import re

MOST = 200
"""Characters of a type."""
MOST_SAID = 1_000
_NAME = re.compile(r"[^\W\d]\w*(?:\.(?:[^\W\d]\w*|<locals>))*")
_USUAL = ("Error", "Exception", "Interrupt", "Exit", "Warning")
_FRAME = re.compile(r'^\s+(?:File "|at )', re.M)
_TRACEBACK = "Traceback (most recent call last):"
_TAIL = 8_000
"""Characters at an end of a text that are looked through."""


def of(error: str | None) -> str | None:
    """`ValueError` of a text that ends `ValueError: no such user`; None where no dotted name stands there.

    A name with no colon behind it counts where it can be no other word: behind a traceback, or by how it ends.
    """
    line, is_raised = telling_line(error or "")
    name, colon, _ = line.partition(":")
    name = name.strip()
    if len(name) > MOST or not _NAME.fullmatch(name):
        return None
    return name if colon or is_raised or name.endswith(_USUAL) else None


def said(error_type: str | None, error: str | None) -> str:
    """What an error says besides its type, MOST_SAID characters at most; empty where it says nothing. A type is also left out where one
    of the two names it with its module and the other without."""
    line = telling_line(error or "")[0].strip()
    if not error_type:
        return line[:MOST_SAID]
    name, _, rest = line.partition(":")
    name = name.strip()
    named = name == error_type or name.endswith(f".{error_type}") or (name and error_type.endswith(f".{name}"))
    return (rest.strip() if named else line)[:MOST_SAID]


def telling_line(error: str) -> tuple[str, bool]:
    """The line that says what the error is, and whether it belongs to a traceback. It is the last one, but where frames stand
    below it (as Node and our own client write them), or where the text of what was raised has several lines."""
    text = error[-_TAIL:].rstrip()
    _, header, frames = text.rpartition(_TRACEBACK)
    if header:
        for line in frames.splitlines():
            if line and not line[0].isspace():
                return line, True
    last = text.rpartition("\n")[2]
    if last[:1].isspace() and _FRAME.search(text):
        return error[:_TAIL].lstrip().partition("\n")[0], True
    return last, False
