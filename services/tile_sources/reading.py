"""What a source of a tile's value is given to read with, and how it says that there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from core.site import Site


class SourceError(Exception):
    """A source gives no value. Its words go on behind "because": `SourceError("the server answered 500")`; they name no secret."""


class NotYet(Exception):
    """Nothing can be said so far, such as of a rate after the first scrape: the tile stays as it is."""


@dataclass(frozen=True)
class Context:
    """`timeout_s` is how long one reading may take in all. `before` is the tile's own from one reading to the next, for a
    connection or a counter's last figure: empty at first, and empty again when another process leads."""

    site: Site
    timeout_s: float
    before: dict[str, Any] = field(default_factory=dict)


def number(value: object, whose: str) -> int | float:
    """What a source answered, a number or its text, as a finite number; `whose` says whose it is. Raises SourceError."""
    if isinstance(value, str):
        value = _parsed(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SourceError(f"{whose} is no number")
    try:
        finite = math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        finite = False
    if not finite:
        raise SourceError(f"{whose} is no finite number")
    return value


def _parsed(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            # Python takes 1_000 for a number, others do not.
            return kind(text) if "_" not in text else None
        except ValueError:
            continue
    return None


def too_long(timeout_s: float) -> str:
    """Why a statement gave nothing."""
    return f"the statement took longer than {timeout_s:g} s"
