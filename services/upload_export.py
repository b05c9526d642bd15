"""The rejected rows of an upload as CSV, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator

from services.upload_limits import Rejected

_ACTS = ("=", "+", "-", "@", "\t", "\r")
_QUOTED = re.compile(r"'+[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?\Z", re.ASCII)


def safe_cell(text: str) -> str:
    """The text, made harmless where a spreadsheet would take it for a formula; a number stays one."""
    return f"'{text}" if text.startswith(_ACTS) and not _NUMBER.match(text) else text


def kept_cell(text: str) -> str:
    """As `safe_cell`, for texts that are read again: `plain_cell` has it as it was."""
    return f"'{text}" if _QUOTED.match(text) else safe_cell(text)


def plain_cell(cell: str) -> str:
    """The text that `kept_cell` made a cell of."""
    return cell[1:] if _QUOTED.match(cell) else cell


def as_csv(rows: Iterable[Rejected]) -> Iterator[str]:
    """The lines of the file, each as soon as its row is known."""
    line = io.StringIO()
    writer = csv.writer(line)

    def written(*cells: object) -> str:
        writer.writerow(cells)
        text = line.getvalue()
        line.seek(0)
        line.truncate()
        return text

    yield written("line", "column", "reason")
    for row in rows:
        yield written(row.line, safe_cell(row.column), safe_cell(row.reason))
