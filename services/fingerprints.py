"""What failures have in common: a short sum that is the same for errors that differ only in what changes from job to job."""

from __future__ import annotations

import hashlib
import re

from services import error_types

_FRAME = re.compile(r'^\s*File "(?P<file>[^"\n]*)", line \d+(?:, in (?P<function>.*))?$', re.M)
_PLACES_AT_ONCE = 20_000
"""The last characters of an error that are looked at for its frames."""
_VARIABLE = re.compile(
    r"""
      (?P<quoted> "[^"\n]*" | (?<!\w)'[^'\n]*'(?!\w) | `[^`\n]*` )
    | (?P<address> \b[a-z][a-z0-9+.-]*://\S+ )
    | (?P<uuid> \b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b )
    | (?P<path> (?<![\w.])(?:[A-Za-z]:)?(?:[/\\][\w.@%+~-]+){2,}[/\\]? )
    | (?P<hex> \b0x[0-9a-f]+\b | \b(?=[a-f]*\d)[0-9a-f]{7,}\b )
    | (?P<number> \d+(?:[.,:]\d+)* )
    """,
    re.VERBOSE | re.IGNORECASE,
)


def of(error_type: str | None, error: str | None) -> str:
    """16 hex digits of an error's type, the place it was raised at, and its last line without what changes."""
    text = (error or "")[-_PLACES_AT_ONCE:]
    line, _ = error_types.telling_line(error or "")
    parts = (error_type or "", _place(text), levelled(line))
    return hashlib.blake2b("\0".join(parts).encode(errors="replace"), digest_size=8).hexdigest()


def levelled(line: str) -> str:
    """A line with words in place of what changes from one job to the next: `user 17` and `user 18` are `user <number>`."""
    return " ".join(_VARIABLE.sub(lambda found: f"<{found.lastgroup}>", line).split())


def _place(text: str) -> str:
    """The file and the function of the last frame of a traceback; no line number, which any release moves, and no folder, which
    differs from machine to machine."""
    frames = list(_FRAME.finditer(text))
    if not frames:
        return ""
    last = frames[-1]
    file = last["file"].replace("\\", "/").rpartition("/")[2]
    return f"{file}:{last['function'] or ''}"
