"""CSV: a header with the names of a job's fields, then a job in each record.

The separator is a comma, a semicolon or a tab. Empty cells count as not said. `metadata`, `result`, `stages` and `attempts`
hold JSON, `progress` and `attempt` numbers, `published` true or false, `tags` words with blanks between them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from services import job_json
from services.upload_export import plain_cell
from services.upload_limits import Limits, Refused, Rejected, Row, size_words
from services.upload_lines import lines, too_long

TEXTS = ("id", "agent", "title", "status", "stage", "current_step", "failed_stage", "message", "error",
         "created_at", "started_at", "finished_at", "enqueued_at", "queue", "function", "worker", "error_type", "state", "engine",
         "engine_id", "video_id", "episode_id")  # fmt: skip
WORDS = ("tags",)
NUMBERS = ("progress", "attempt")
JSONS = ("metadata", "result", "stages", "attempts", "published")
COLUMNS = frozenset(TEXTS + WORDS + NUMBERS + JSONS)

_FAULTS = {
    "unexpected end of data": "a quote is opened here and never closed",
    "expected after": 'text follows a closing quote; a quote within quotes is written twice, ""',
    "new-line character": "a carriage return stands in it; end lines with a newline, and put such text in quotes",
}


@dataclass(frozen=True)
class Header:
    names: tuple[str, ...]
    separator: str

    @property
    def known(self) -> frozenset[str]:
        return COLUMNS.intersection(self.names)


def header_of(line: bytes, limits: Limits) -> Header:
    """The header in a file's first line, split by whichever separator makes most sense of it."""
    text = line[: limits.row_bytes].decode("utf-8", "replace").strip("\r\n")
    headers = [Header(_names(text, separator), separator) for separator in ",;\t"]
    return max(headers, key=lambda header: (len(header.known), len(header.names)))


def _names(text: str, separator: str) -> tuple[str, ...]:
    try:
        cells = next(csv.reader([text], delimiter=separator), [])
    except csv.Error:
        return ()
    return tuple(cell.strip().lower() for cell in cells)


def rows(blocks: Iterator[bytes], limits: Limits) -> Iterator[Row | Rejected]:
    """Raises Refused where the header can't be used."""
    source = _Records(lines(blocks, limits.row_bytes), limits.row_bytes)
    header = _header(source, limits)
    reader = csv.reader(source, delimiter=header.separator, strict=True)
    while True:
        source.begin()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _TooLong:
            yield Rejected(source.start, "", source.fault)
            continue
        except csv.Error as fault:
            words = next((words for part, words in _FAULTS.items() if part in str(fault)), str(fault))
            yield Rejected(source.start, "", words)
            continue
        if source.fault:
            yield Rejected(source.start, "", source.fault)
        elif cells:
            yield _row(source.start, cells, header)


class _TooLong(Exception): ...


class _Records:
    """The lines that `csv.reader` asks for, with an eye on how long the record has become."""

    def __init__(self, numbered: Iterator[tuple[int, bytes | None]], most: int) -> None:
        self._numbered = numbered
        self._most = most
        self._line = 0
        self.begin()

    def begin(self) -> None:
        self.start, self._size, self.fault = self._line + 1, 0, ""

    def __iter__(self) -> _Records:
        return self

    def __next__(self) -> str:
        self._line, data = next(self._numbered)
        if data is None:
            self.fault = too_long(self._most)
            raise _TooLong
        self._size += len(data) + 1
        if self._size > self._most:
            self.fault = (
                f"a quote is opened here and not closed within {size_words(self._most)}; lines {self.start} to "
                f"{self._line} are not read"
            )
            raise _TooLong
        try:
            return data.decode() + "\n"
        except UnicodeDecodeError as fault:
            where = "" if self._line == self.start else f" of line {self._line}"
            self.fault = f"is not UTF-8 at byte {fault.start + 1}{where}"
            return data.decode("utf-8", "replace") + "\n"


def _header(source: _Records, limits: Limits) -> Header:
    try:
        line = next((text for text in source if text.strip()), "")
    except _TooLong:
        line = ""
        raise Refused("format", f"the header {too_long(limits.row_bytes)}") from None
    header = header_of(line.encode(), limits)
    if len(header.names) > limits.columns:
        raise Refused("format", f"the header has {len(header.names):,} columns; {limits.columns} is the most")
    twice = sorted(name for name in header.known if header.names.count(name) > 1)
    if twice:
        raise Refused("format", f"the column {twice[0]} stands twice in the header")
    if not header.known:
        raise Refused("format", f"the first line names no known column; the columns are {', '.join(sorted(COLUMNS))}")
    return header


def _row(line: int, cells: list[str], header: Header) -> Row | Rejected:
    if len(cells) != len(header.names):
        return Rejected(line, "", f"has {len(cells):,} {_fields(len(cells))}, the header {len(header.names):,}")
    fields: dict[str, Any] = {}
    for name, cell in zip(header.names, cells, strict=True):
        if not cell:
            continue
        try:
            fields[name] = _value(name, cell)
        except ValueError as fault:
            return Rejected(line, name, str(fault))
    return Row(line, fields)


def _fields(count: int) -> str:
    return "field" if count == 1 else "fields"


def _value(name: str, cell: str) -> Any:
    if "\0" in cell:
        raise ValueError("holds a NUL character: remove it")
    if name in JSONS:
        try:
            return job_json.decode(cell.encode())
        except job_json.JsonError as fault:
            raise ValueError(f"should be JSON: {fault}") from fault
    if name in NUMBERS:
        return _number(cell)
    return plain_cell(cell).split() if name in WORDS else plain_cell(cell)


def _number(cell: str) -> int | float:
    try:
        value = job_json.decode(cell.strip().encode())
    except ValueError:
        value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("should be a number")
    return value
