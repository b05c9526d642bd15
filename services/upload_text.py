"""Which encoding and which format a file has, told from its first bytes and, in doubt, from its name."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Literal

from services.upload_bytes import ending, together
from services.upload_csv import header_of
from services.upload_limits import CutOff, Limits, Refused

Format = Literal["NDJSON", "JSON", "CSV"]

_PACKED = (
    (b"\x1f\x8b", "gzip inside gzip: unpack it once"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet: send the file in it, or save it as CSV"),
    (b"BZh", "packed with bzip2: unpack it, or pack it with gzip"),
    (b"\xfd7zXZ", "packed with xz: unpack it, or pack it with gzip"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd: unpack it, or pack it with gzip"),
    (b"7z\xbc\xaf", "a 7z archive: send the file in it"),
    (b"Rar!", "a rar archive: send the file in it"),
    (b"%PDF", "a PDF: save the table as CSV"),
)
_WIDE = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_FORMATS = "NDJSON (one object a line), JSON (an array of objects) or CSV (a header with column names)"
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))
_HOLDER = re.compile(rb'\{\s*"(?:items|jobs)"\s*:\s*\[')


def recognise(blocks: Iterator[bytes], name: str, limits: Limits) -> tuple[Format, Iterator[bytes]]:
    """The format, and the text from its first byte on, without a byte order mark. Raises Refused."""
    head, rest = _head(blocks, limits.head_bytes)
    _check_encoding(head)
    head = head.removeprefix(codecs.BOM_UTF8)
    if not head.strip():
        raise Refused("empty", "the file is empty: it should hold a row for each job")
    return _format(head, name.lower(), limits), together(head, rest)


def _head(blocks: Iterator[bytes], most: int) -> tuple[bytes, Iterator[bytes]]:
    """What comes first; an early end of the transfer comes after it, so that what came is read."""
    head = bytearray()
    try:
        for block in blocks:
            head += block
            # Blank lines at the start say nothing yet.
            if len(head) >= most and head.strip():
                break
            if len(head) >= 16 * most:
                raise Refused("format", f"it begins with blank lines only; it should be {_FORMATS}")
    except CutOff as cut:
        return bytes(head), ending(cut)
    return bytes(head), blocks


def _check_encoding(head: bytes) -> None:
    for magic, words in _PACKED:
        if head.startswith(magic):
            raise Refused("format", f"this is {words}")
    for mark, encoding in _WIDE:
        if head.startswith(mark):
            raise Refused("encoding", _convert(encoding))
    nulls = head.count(0)
    if nulls * 4 >= len(head) > 0 and max(head[::2].count(0), head[1::2].count(0)) * 4 >= nulls * 3:
        raise Refused("encoding", _convert("UTF-16LE" if head[1::2].count(0) > head[::2].count(0) else "UTF-16BE"))
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if controls > 8 and controls * 100 > len(head):  # a few of them are their rows' faults
        raise Refused("encoding", f"this is not text; it should be {_FORMATS}")
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(head)
    bad = [place for place, char in enumerate(text) if "\udc80" <= char <= "\udcff"] if not text.isascii() else []
    good = sum(1 for char in text if char > "\x7f") - len(bad)
    # A broken character among good ones is one row's fault; otherwise the whole file is in another encoding.
    if len(bad) > good:
        line = text.count("\n", 0, bad[0]) + 1
        raise Refused("encoding", f"line {line} is not UTF-8; {_convert('WINDOWS-1252', 'Latin-1 or Windows-1252')}")


def _convert(encoding: str, words: str = "") -> str:
    return f"it looks like {words or encoding}: save it as UTF-8, or run iconv -f {encoding} -t UTF-8 OLD > NEW"


def _format(head: bytes, name: str, limits: Limits) -> Format:
    stem = name.removesuffix(".gz")
    says_lines = stem.endswith((".ndjson", ".jsonl"))
    text = head.lstrip()
    if text.startswith(b"["):
        return "JSON"
    if text.startswith(b"{"):
        return _objects(text, says_lines)
    if says_lines:
        return "NDJSON"  # with a first line that is wrong
    if stem.endswith(".json"):
        raise Refused("format", "it is named .json but begins with neither [ nor {")
    if stem.endswith((".csv", ".tsv")) or header_of(text.split(b"\n", 1)[0], limits).known:
        return "CSV"
    raise Refused("format", f"its format is not recognised: it should be {_FORMATS}")


def _objects(text: bytes, says_lines: bool) -> Format:
    """Lines of objects, or one object that holds an array of them?"""
    if _HOLDER.match(text):
        return "JSON"
    first, _, rest = text.partition(b"\n")
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return "NDJSON" if says_lines or rest.lstrip().startswith(b"{") else "JSON"
    holds = isinstance(value, dict) and any(isinstance(value.get(key), list) for key in ("items", "jobs"))
    return "JSON" if holds and not rest.strip() else "NDJSON"
