"""Job history as files, and ways of sending them piece by piece."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from services.upload_limits import LIMITS, Limits, Rejected, Row
from services.upload_reader import read


def pieces(data: bytes, length: int = 1000) -> Iterator[bytes]:
    for start in range(0, len(data), length):
        yield data[start : start + length]


def read_all(
    data: bytes | Iterable[bytes], name: str = "jobs", *, limits: Limits = LIMITS, piece: int = 1000
) -> list[Row | Rejected]:
    chunks = pieces(data, piece) if isinstance(data, bytes) else iter(data)
    return list(read(chunks, name, limits).rows)


def fields(rows: Sequence[Row | Rejected]) -> list[dict[str, Any]]:
    """The fields of rows none of which may be rejected."""
    assert not [row for row in rows if isinstance(row, Rejected)]
    return [row.fields for row in rows if isinstance(row, Row)]


def places(rows: Sequence[Row | Rejected]) -> list[tuple[int, str]]:
    """Line and column of each rejected row."""
    return [(row.line, row.column) for row in rows if isinstance(row, Rejected)]


def reasons(rows: Sequence[Row | Rejected]) -> dict[int, str]:
    return {row.line: row.reason for row in rows if isinstance(row, Rejected)}


def as_ndjson(jobs: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(job).encode() + b"\n" for job in jobs)


def as_json(jobs: Sequence[dict[str, Any]]) -> bytes:
    return json.dumps(jobs).encode()


def as_csv(jobs: Sequence[dict[str, Any]], separator: str = ",") -> bytes:
    columns = sorted({name for job in jobs for name in job}) or ["id"]
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator)
    writer.writerow(columns)
    for job in jobs:
        writer.writerow([_cell(job[name]) if name in job else "" for name in columns])
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def packed(data: bytes, members: int = 1) -> bytes:
    step = max(1, -(-len(data) // members))
    # Without the time of packing: pytest names cases by their data, and its workers have to agree on the names.
    return b"".join(gzip.compress(part, mtime=0) for part in pieces(data, step)) or gzip.compress(b"", mtime=0)
