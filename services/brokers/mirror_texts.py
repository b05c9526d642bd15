"""What engines say, cut to what a record takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from services.brokers.pickled_values import CUT, Shown, clean
from services.job_rules import MOST_METADATA

MOST_NAME = 200
MOST_TITLE = 500
MOST_STAGE = 100
MOST_MESSAGE = 4_000
MOST_ERROR = 16_000
MOST_TAGS = 20
MOST_TAG = 64
_ERROR_HEAD = 4_000

_encode = msgspec.json.Encoder().encode


def name_of(name: str | None, most: int = MOST_NAME) -> str | None:
    """A queue, function, worker or stage on one line; None where nothing is left of it."""
    if name is None or (name.isascii() and name.isprintable() and len(name) <= most and name.strip() == name):
        return name or None
    shown = "".join(each if each.isprintable() else " " for each in clean(name)).strip()
    return (shown if len(shown) <= most else f"{shown[: most - 1].rstrip()}{CUT}") or None


def text_of(text: str | None, most: int) -> str | None:
    if text is None:
        return None
    return clean(text if len(text) <= most else f"{text[: most - 1]}{CUT}")


def error_of(error: str | None) -> str | None:
    """Without its middle where it is long: what happened stands at its end."""
    if error is None or len(error) <= MOST_ERROR:
        return error and clean(error)
    tail = MOST_ERROR - _ERROR_HEAD - 3
    return clean(f"{error[:_ERROR_HEAD]}\n{CUT}\n{error[-tail:]}")


def tags_of(tags: Sequence[str]) -> list[str]:
    words = (word for tag in tags if (word := "".join(clean(tag).split())[:MOST_TAG]) and word.isprintable())
    return list(dict.fromkeys(words))[:MOST_TAGS]


def json_of(value: Any) -> str:
    """As a record holds it; what is too long is told of instead."""
    data = _encoded(value)
    if len(data) <= MOST_METADATA:
        return data.decode()
    if not isinstance(value, dict):
        return _encoded(_too_long(data)).decode()
    sizes = {name: _encoded(each) for name, each in value.items()}
    kept = dict(value)
    for name in sorted(sizes, key=lambda each: -len(sizes[each])):
        kept[name] = _too_long(sizes[name])
        if len(data := _encoded(kept)) <= MOST_METADATA:
            return data.decode()
    return _encoded({"too long": _too_long(_encoded(value))}).decode()


def _encoded(value: Any) -> bytes:
    try:
        return _encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return _encode(Shown().value(value))


def _too_long(data: bytes) -> str:
    return f"not shown: {len(data):,} bytes"
