"""JSON: an array of jobs, or an object with such an array under `items` or `jobs`.

The array is cut into its elements here, and each element is read as strictly as a line of NDJSON: so a wrong element
costs that element, and nothing longer than a row is ever kept, not even a string or a number without an end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.upload_limits import Limits, Refused, Rejected, Row
from services.upload_lines import too_long
from services.upload_ndjson import row_of

_HOLDER = re.compile(rb'\s*"(?:items|jobs)"\s*:\s*\Z')
_OUTSIDE = re.compile(rb'["{}\[\],]')
_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_MOST_KEY = 1024
_MOST_DEPTH = 1000
"""Past this the file is given up; a row may be nested much less, which is looked at where it is decoded."""

# An element that lies whole in a block, nested no deeper than such rows mostly are: at the speed of the regex engine.
# Every repetition is possessive, so that no text takes longer than one look at each of its bytes.
_TEXT = rb'[^"{}\[\]]*+'
_FLAT = _TEXT + rb'(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"' + _TEXT + rb")*+"
_NESTED = rb"[{\[]" + _FLAT + rb"[}\]]"
_NESTED = rb"[{\[]" + _FLAT + rb"(?:" + _NESTED + _FLAT + rb")*+[}\]]"
_WHOLE = re.compile(rb"\s*+(\{" + _FLAT + rb"(?:" + _NESTED + _FLAT + rb")*+\})\s*+,", re.DOTALL)

_OPEN, _CLOSE = frozenset(b"{["), frozenset(b"}]")
_COMMA, _QUOTE = ord(","), ord('"')


def rows(blocks: Iterator[bytes], limits: Limits) -> Iterator[Row | Rejected]:
    """Raises Refused where there is no array of jobs."""
    splitter = _Splitter(limits.row_bytes)
    for block in blocks:
        yield from splitter.feed(block)
    yield from splitter.end()


class _Splitter:
    def __init__(self, most: int) -> None:
        self.most = most
        self.line = 1
        self.depth = 0
        self.inside: int | None = None  # the depth of the array's elements, while in it
        self.found = False
        self.text = bytearray()  # of the element or member that is open
        self.begun_on = 1
        self.overlong = False
        self.after_comma = False
        self.in_string = False
        self.escaped = False
        self.done = False
        self.trailing = False

    def feed(self, block: bytes) -> Iterator[Row | Rejected]:
        place = 0
        while place < len(block):
            if self.done:
                yield from self._after(block[place:])
                return
            if self.in_string:
                place = self._string(block, place)
                continue
            while not self.text and self.depth == self.inside and (whole := _WHOLE.match(block, place)):
                yield self._whole(block, whole)
                place = whole.end()
            match = _OUTSIDE.search(block, place)
            if match is None:
                self._keep(block[place:])
                break
            self._keep(block[place : match.start()])
            place = match.end()
            row = self._mark(match.group()[0])
            if row is not None:
                yield row

    def end(self) -> Iterator[Row | Rejected]:
        if not self.found:
            raise Refused("format", "the JSON object holds no array named items or jobs")
        if self.depth or self.in_string:
            yield Rejected(self.line, "", "the JSON ends before its closing bracket; what comes before is read")

    def _after(self, block: bytes) -> Iterator[Rejected]:
        """What stands behind the JSON: blanks, or text that is reported once."""
        text = block.lstrip()
        self.line += block.count(b"\n", 0, len(block) - len(text))
        if text and not self.trailing:
            self.trailing = True
            yield Rejected(self.line, "", "text stands after the end of the JSON; it is not read")

    def _whole(self, block: bytes, whole: re.Match[bytes]) -> Row | Rejected:
        """An element of one piece, and the comma behind it."""
        self.line += block.count(b"\n", whole.start(), whole.start(1))
        begun_on, text = self.line, whole[1]
        self.line += block.count(b"\n", whole.start(1), whole.end())
        self._begin()
        self.after_comma = True
        return row_of(begun_on, text) if len(text) <= self.most else Rejected(begun_on, "", too_long(self.most))

    def _string(self, block: bytes, place: int) -> int:
        """Take what belongs to the string that is open, and answer where it ends."""
        start = place
        if self.escaped:
            place, self.escaped = place + 1, False
        match = _STRING.match(block, place)
        if match:
            self.in_string = False
            self._keep(block[start : match.end()])
            return match.end()
        rest = block[place:]
        self.escaped = (len(rest) - len(rest.rstrip(b"\\"))) % 2 == 1
        self._keep(block[start:])
        return len(block)

    def _mark(self, mark: int) -> Row | Rejected | None:
        row = None
        if mark == _QUOTE:
            self.in_string = True
            self._keep(b'"')
        elif mark in _OPEN:
            self._opened(mark)
        elif mark in _CLOSE:
            row = self._closed(mark)
        elif self.depth == self.inside:
            row = self._element()
            self.after_comma = True
        elif self.inside is None and self.depth == 1:
            self._begin()  # the next member of the object that holds the array
        else:
            self._keep(b",")
        return row

    def _opened(self, mark: int) -> None:
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise Refused("format", f"line {self.line} is nested more than {_MOST_DEPTH:,} levels deep")
        if not self.found and mark == ord("[") and self._holds_jobs():
            self.found, self.inside, self.after_comma = True, self.depth, False
            self._begin()
        elif not self.found and self.depth == 1:
            self._begin()
        else:
            self._keep(bytes((mark,)))

    def _holds_jobs(self) -> bool:
        return self.depth == 1 or (self.depth == 2 and bool(_HOLDER.match(self.text)) and not self.overlong)

    def _closed(self, mark: int) -> Row | Rejected | None:
        row = None
        if self.depth == self.inside:
            row = self._element(last=True)
            self.inside = None
        elif self.depth == 1:
            self._begin()
        else:
            self._keep(bytes((mark,)))
        self.depth -= 1
        self.done = self.depth == 0
        return row

    def _element(self, *, last: bool = False) -> Row | Rejected | None:
        line, text, overlong, after_comma = self.begun_on, bytes(self.text), self.overlong, self.after_comma
        self._begin()
        if overlong:
            return Rejected(line, "", too_long(self.most))
        if text.strip():
            return row_of(line, text)
        if last and not after_comma:
            return None  # an empty array
        return Rejected(self.line, "", "nothing stands between two commas, or after the last")

    def _begin(self) -> None:
        self.text.clear()
        self.overlong, self.after_comma, self.begun_on = False, False, self.line

    def _keep(self, data: bytes) -> None:
        if not self.text:
            stripped = data.lstrip()
            self.line += data.count(b"\n", 0, len(data) - len(stripped))
            data, self.begun_on = stripped, self.line
        self.line += data.count(b"\n")
        if self.overlong or len(self.text) + len(data) > self.most:
            self.overlong = True
            self.text = (self.text + data[:_MOST_KEY])[:_MOST_KEY]  # so much as tells a member's name
        else:
            self.text += data
