"""An uploaded file as rows: unpacked, recognised and cut as it streams; memory does not grow with its size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from services import upload_csv, upload_json, upload_ndjson
from services.upload_bytes import unpacked
from services.upload_limits import LIMITS, Limits, Rejected, Row
from services.upload_text import Format, recognise

_READERS: dict[Format, Callable[[Iterator[bytes], Limits], Iterator[Row | Rejected]]] = {
    "NDJSON": upload_ndjson.rows,
    "JSON": upload_json.rows,
    "CSV": upload_csv.rows,
}


@dataclass(frozen=True)
class Reading:
    format: Format
    rows: Iterator[Row | Rejected]


def read(chunks: Iterator[bytes], name: str, limits: Limits = LIMITS) -> Reading:
    """The rows of a file that arrives in `chunks`.

    Raises Refused here or from `rows`, where the file or the rest of it is not read; what `chunks` raises, CutOff above
    all, comes through after the rows before it.
    """
    format_, text = recognise(unpacked(chunks, limits), name, limits)
    return Reading(format_, _READERS[format_](text, limits))
