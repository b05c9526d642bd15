"""Many reports in one request, a line of JSON each."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from headway.transport import Refused, Transport

T = TypeVar("T")

BATCH_LINES = 500
BATCH_BYTES = 512 * 1024


def post(
    transport: Transport,
    path: str,
    waiting: list[T],
    fields: Callable[[T], Mapping[str, Any]],
    reject: Callable[[T, str], None],
    once: Callable[[list[T]], str] | None = None,
) -> None:
    """Send each one's fields. What was answered is taken out of `waiting`; `reject` hears of what is not kept, and why.
    `once` names a batch, where the site does not know by what is in it that it came before. Raises Away."""
    size = too_many = len(waiting) + 1
    while waiting:
        part = waiting[:size]
        lines, faults = _encoded([fields(one) for one in part])
        try:
            rejected = transport.post_lines(path, list(lines.values()), once and once(part)) if lines else {}
        except Refused as refused:
            # One line may be to blame, or their number: find out by halves.
            if len(part) > 1:
                size, too_many = len(part) // 2, len(part)
                continue
            rejected, too_many = {0: str(refused)}, len(waiting)
        del waiting[: len(part)]
        places = list(lines)
        faults.update({places[number]: detail for number, detail in rejected.items() if 0 <= number < len(places)})
        for place, detail in sorted(faults.items()):
            reject(part[place], detail)
        size = min(2 * size, too_many - 1)


def rfc3339(at: float) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at))}.{int(at % 1 * 1000):03d}Z"


def _encoded(all_fields: list[Mapping[str, Any]]) -> tuple[dict[int, bytes], dict[int, str]]:
    """Lines by their place, and why the others can't be one."""
    lines: dict[int, bytes] = {}
    faults: dict[int, str] = {}
    for place, fields in enumerate(all_fields):
        try:
            text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
            lines[place] = text.encode(errors="replace")
        except (TypeError, ValueError, RecursionError) as fault:
            faults[place] = str(fault)
    return lines, faults
