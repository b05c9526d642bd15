"""NDJSON: a job's object on each line."""

from __future__ import annotations

import json
from collections.abc import Iterator

from services import job_json
from services.upload_limits import Limits, Rejected, Row
from services.upload_lines import lines, too_long


def rows(blocks: Iterator[bytes], limits: Limits) -> Iterator[Row | Rejected]:
    for number, line in lines(blocks, limits.row_bytes):
        if line is None:
            yield Rejected(number, "", too_long(limits.row_bytes))
        elif line and not line.isspace():
            yield row_of(number, line)


def row_of(number: int, data: bytes) -> Row | Rejected:
    """The row that the JSON object in `data` is; `number` is the line of the file on which it begins."""
    try:
        value = job_json.decode(data)
    except job_json.TextError as fault:
        return Rejected(number, fault.field, str(fault).removeprefix(f"{fault.field}: "))
    except job_json.JsonError as fault:
        return _not_json(number, fault)
    if not isinstance(value, dict):
        return Rejected(number, "", "should be an object, { … }")
    return Row(number, value)


def _not_json(number: int, fault: job_json.JsonError) -> Rejected:
    cause = fault.__cause__
    if isinstance(cause, json.JSONDecodeError):
        reason = f"is not JSON: {cause.msg[:1].lower()}{cause.msg[1:]}"
        return Rejected(number + cause.lineno - 1, f"character {cause.colno}", reason)
    return Rejected(number, "", str(fault))
