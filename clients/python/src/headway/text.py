"""What is said of a job, brought within what a site takes, so that no odd text costs a report."""

from __future__ import annotations

import json
import math
import re
import traceback
from collections.abc import Iterable
from typing import Any

TITLE, STAGE, MESSAGE, ERROR, BODY, LOG, SOURCE, VERSION, NAME, TAG = (
    500,
    100,
    4_000,
    16_000,
    4_000,
    16_000,
    100,
    200,
    200,
    64,
)
"""The most characters of each."""
JSON_BYTES = 16 * 1024
"""The most bytes of metadata or a result."""
MOST_TAGS = 20
_DEPTH = 31
"""The line that bears it is a level of its own."""
_FRAMES = 5
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def clip(value: object, most: int) -> str:
    """`value` as text of at most `most` characters, the end cut off where it is longer."""
    text = _text(value).replace("\0", "\ufffd")
    return text if len(text) <= most else f"{text[: most - 1]}…"


def without_middle(value: object, most: int) -> str:
    """`value` as text of at most `most` characters. Of what is longer both ends stay: a traceback's last line says most."""
    text = _text(value).replace("\0", "\ufffd")
    if len(text) <= most:
        return text
    note = f"\n… {len(text) - most:,} characters and more were cut here …\n"
    half = (most - len(note)) // 2
    return f"{text[:half]}{note}{text[-half:]}"


def one_line(value: object, most: int) -> str:
    return clip(_CONTROL.sub(" ", _text(value)).strip(), most)


def tags(values: Iterable[object]) -> list[str]:
    """Each once, as words: what parts one becomes `_`."""
    values = values.split() if isinstance(values, str) else values
    words = (clip("_".join(one_line(value, 10 * TAG).split()), TAG) for value in values)
    return list(dict.fromkeys(word for word in words if word))[:MOST_TAGS]


def percent(value: Any) -> float | None:
    """A number from 0 to 100; what lies beyond is brought to the nearer end. None for what is no number."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isnan(number) else round(min(max(number, 0.0), 100.0), 2)


def plain(value: Any) -> Any:
    """A copy of `value` of JSON's own types; what JSON does not know becomes text. Raises ValueError where it can't be."""
    try:
        data = json.dumps(value, default=_text, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as fault:
        raise ValueError(f"it is no JSON ({one_line(fault, 200)})") from fault
    size = len(data.encode(errors="replace"))
    if size > JSON_BYTES:
        raise ValueError(f"it is {size:,} bytes as JSON, and {JSON_BYTES:,} is the most")
    return _kept(json.loads(data), 0)


def _kept(value: Any, depth: int) -> Any:
    """What was decoded from JSON, as a site keeps it: 64 bits, 32 levels, no half characters."""
    if isinstance(value, str):
        return clip(value, JSON_BYTES)
    if isinstance(value, int):
        return value if abs(value) < 2**63 else float(value)
    if not isinstance(value, (dict, list)):
        return value
    if depth >= _DEPTH:
        raise ValueError(f"it is nested too deep; {_DEPTH} levels is the most")
    if isinstance(value, dict):
        return {clip(key, JSON_BYTES): _kept(inner, depth + 1) for key, inner in value.items()}
    return [_kept(inner, depth + 1) for inner in value]


def size(fields: dict[str, Any]) -> int:
    """About how many bytes fields that are plain take."""
    return len(json.dumps(fields))


def summary(error: BaseException) -> str:
    """An exception's type and message on one line."""
    said = one_line(error, 500)
    return f"{type(error).__qualname__}: {said}" if said else type(error).__qualname__


def report(error: BaseException) -> str:
    """An exception with its message in full, and its last few frames."""
    said = _text(error)
    head = f"{type(error).__qualname__}: {said}" if said else type(error).__qualname__
    try:
        frames = traceback.format_tb(error.__traceback__)
    except Exception:  # noqa: BLE001 (a source file may be anything by now; the error itself is what counts)
        frames = []
    left_out = f"  … {len(frames) - _FRAMES} frames more\n" if len(frames) > _FRAMES else ""
    return clip(f"{clip(head, MESSAGE)}\n\n{left_out}{''.join(frames[-_FRAMES:])}".rstrip(), ERROR)


def _text(value: object) -> str:
    try:
        text = str(value)
    except Exception:  # noqa: BLE001 (anybody's __str__)
        text = f"a {type(value).__name__} that has no text"
    return text.encode(errors="replace").decode()
