"""Server-sent events as bytes, as the HTML standard defines the format."""

from __future__ import annotations

import re
from typing import Any

import msgspec

_BREAKS = re.compile(rb"\r\n|\n|\r")
_encode = msgspec.json.Encoder().encode


def event(data: Any, *, name: str | None = None, id: str | None = None, retry_ms: int | None = None) -> bytes:
    """One event. `data` is text, bytes of UTF-8, or a value that is sent as JSON; a line end in it begins no field."""
    body = data if isinstance(data, bytes) else data.encode() if isinstance(data, str) else _encode(data)
    head = b""
    if name is not None:
        head += b"event: %s\n" % name.encode()
    if id is not None:
        head += b"id: %s\n" % id.encode()
    if retry_ms is not None:
        head += b"retry: %d\n" % retry_ms
    if b"\n" in body or b"\r" in body:
        body = b"\ndata: ".join(_BREAKS.split(body))
    return b"%sdata: %s\n\n" % (head, body)


def comment(text: str) -> bytes:
    """What no reader shows: it keeps the connection alive."""
    return b": %s\n\n" % text.encode()
