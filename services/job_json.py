"""JSON from outside, read strictly: what the standard library lets pass and a store should not hold is refused.

Refused are NaN and infinities, duplicate keys, nesting past `MOST_DEPTH`, integers past 64 bits, and text with NUL or a lone
surrogate. Each refusal says where.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MOST_DEPTH = 32
_LARGEST = 2**63 - 1
_BOM = b"\xef\xbb\xbf"


class JsonError(ValueError):
    """The bytes are no JSON that Headway takes. The text says what is wrong and, where it can, at which column."""


class TextError(ValueError):
    """Good JSON that bears text or numbers which can't be kept. `field` is a path such as `metadata.note`."""

    def __init__(self, field: str, fault: str) -> None:
        super().__init__(f"{field}: {fault}")
        self.field = field


def _no_constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is not JSON: leave the field out, or send null")


def _whole(digits: str) -> int:
    if len(digits) > 20 or abs(number := int(digits)) > _LARGEST:
        raise JsonError(f"a whole number of {len(digits)} digits is too large: 64 bits is the most")
    return number


def _fraction(digits: str) -> float:
    if math.isinf(number := float(digits)):
        raise JsonError(f"the number {digits[:40]} is too large")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise JsonError(f"the key {twice[:80]!r} stands twice")
    return fields


_decode = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=_whole, parse_float=_fraction
).decode


def decode(data: bytes) -> Any:
    """The value in `data`, UTF-8 without a byte order mark. Raises JsonError or TextError."""
    if data.startswith(_BOM):
        raise JsonError("begins with a byte order mark at byte 1: send UTF-8 without one")
    try:
        value = _decode(data.decode())
    except json.JSONDecodeError as fault:
        raise JsonError(f"not JSON at line {fault.lineno}, column {fault.colno}: {fault.msg}") from fault
    except UnicodeDecodeError as fault:
        raise JsonError(f"not UTF-8 at byte {fault.start + 1}") from fault
    except RecursionError as fault:
        raise JsonError(f"nested too deep: {MOST_DEPTH} levels is the most") from fault
    # What is checked here can only come by an escape, from a number or by nesting: a plain line is not walked.
    if b"\\" in data or data.count(b"[") + data.count(b"{") > MOST_DEPTH:
        check(value)
    return value


def check(value: Any, path: str = "", depth: int = 0) -> None:
    """Walk a decoded value. Raises JsonError past the depth, TextError for text that can't be kept."""
    if isinstance(value, str):
        check_text(value, path or "value")
    elif isinstance(value, (dict, list)):
        if depth >= MOST_DEPTH:
            raise JsonError(f"nested too deep: {MOST_DEPTH} levels is the most")
        if isinstance(value, dict):
            for key, inner in value.items():
                check_text(key, path or "a key")
                check(inner, f"{path}.{key}" if path else key, depth + 1)
        else:
            for place, inner in enumerate(value):
                check(inner, f"{path}[{place}]", depth + 1)


def check_text(text: str, field: str) -> None:
    if "\0" in text:
        raise TextError(field, "holds a NUL character: remove it")
    try:
        text.encode()
    except UnicodeEncodeError as fault:
        raise TextError(
            field, f"holds half of a character pair (lone surrogate) at {fault.start + 1}: remove it"
        ) from fault
