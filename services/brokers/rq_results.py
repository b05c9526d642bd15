"""How a job of RQ ended: the last entry of its stream of results, or what RQ before 1.12 wrote into the job's hash."""

from __future__ import annotations

import binascii
import re
import zlib
from base64 import b64decode
from typing import Any, NamedTuple

from services.brokers import payloads
from services.brokers.masking import Mask
from services.brokers.rq_fields import ms_of

MOST_UNPACKED = 1024 * 1024
MAX_RETRIES_EXCEEDED = b"5"
_DUE_TO = re.compile(r"Moved to FailedJobRegistry, due to (\w+)")


class Ended(NamedTuple):
    error: str | None = None
    error_type: str | None = None
    result: Any = None
    unreadable: str | None = None
    """Why its result is not shown."""
    at_ms: int | None = None
    """By the clock of Redis."""


def of_entry(entry: tuple[bytes, dict[bytes, bytes]], mask: Mask) -> Ended:
    """An entry as XREVRANGE answers it."""
    id, fields = entry
    at_ms = ms_of(int(id.split(b"-")[0]) / 1000)
    error: str | None = None
    if packed := fields.get(b"exc_string"):
        error = _unpacked(_decoded(packed))
    elif fields.get(b"type") == MAX_RETRIES_EXCEEDED:
        error = "It asked for another attempt more often than it may (Retry.max)."
    result, unreadable = None, None
    if (value := fields.get(b"return_value")) and error is None:
        result, unreadable = _value(_decoded(value), mask)
    return Ended(*_told(error, mask), result, unreadable, at_ms)


def of_fields(exc_info: bytes | None, result: bytes | None, mask: Mask) -> Ended:
    """The fields of a hash of an old version."""
    value, unreadable = _value(result, mask) if result else (None, None)
    return Ended(*_told(_unpacked(exc_info) if exc_info else None, mask), value, unreadable)


def _told(error: str | None, mask: Mask) -> tuple[str | None, str | None]:
    if not error:
        return None, None
    found = _DUE_TO.match(error)
    return mask.text(error), found[1] if found else None


def _value(packed: bytes, mask: Mask) -> tuple[Any, str | None]:
    try:
        return mask.result(payloads.value(packed)), None
    except payloads.Unreadable as fault:
        return None, f"result: {fault}"


def _decoded(text: bytes) -> bytes:
    try:
        return b64decode(text)
    except binascii.Error:
        return text


def _unpacked(packed: bytes) -> str:
    try:
        unpacked = zlib.decompressobj().decompress(packed, MOST_UNPACKED)
    except zlib.error:
        unpacked = packed
    return unpacked.decode("utf-8", "replace")
