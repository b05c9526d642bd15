"""Kinds of values in headway.toml that TOML itself does not have."""

from __future__ import annotations

import re
import tomllib
from typing import Annotated, Any

from msgspec import Meta

from core.fields import FieldError

DEEPEST = 12
"""Tables and lists within one another: more than anything in headway.toml has."""
UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}

Url = Annotated[
    str, Meta(pattern=r"\A[a-z][a-z0-9+.-]*://[^\s]+\Z", max_length=2_000, description="an address, scheme first")
]
HEADER = "a header's name of letters, digits and -, and its value on one line"
Headers = dict[
    Annotated[str, Meta(pattern=r"\A[A-Za-z0-9-]+\Z", description=HEADER)],
    Annotated[str, Meta(pattern=r"\A[\x20-\x7e]*\Z", description=HEADER)],
]
Id = Annotated[
    str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z", description="1 to 64 of letters, digits, - and _")
]


class Seconds(float):
    """A span of time: `"30s"`, `"5m"`, `"1h30m"`, `"250ms"`, or a number of seconds. A year at most."""

    most_days, most = 366, "a year"

    def __str__(self) -> str:
        left, parts = float(self), []
        for unit in ("d", "h", "m"):
            whole, left = divmod(left, UNITS_S[unit])
            if whole:
                parts.append(f"{whole:g}{unit}")
        if left or not parts:
            parts.append(f"{left:g}s" if left >= 1 or not left else f"{left * 1000:g}ms")
        return "".join(parts)


class LongSpan(Seconds):
    """Ten years at most."""

    most_days, most = 3_660, "ten years"


def hook(kind: type, value: Any) -> Any:
    """For `core.fields.check`. Raises ValueError, TypeError."""
    if not issubclass(kind, Seconds):
        raise TypeError(f"no value of a configuration is a {kind.__name__}")
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("should be a span of time, such as 30s, 5m or 1h30m")
    if isinstance(value, str):
        parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", value)
        if not parts or "".join(number + unit for number, unit in parts) != value:
            raise ValueError("should be a span of time, such as 30s, 5m or 1h30m")
        value = sum(float(number) * UNITS_S[unit] for number, unit in parts)
    if not 0 < value <= kind.most_days * 86_400:
        raise ValueError(f"should be a span of time above 0, {kind.most} at most")
    return kind(value)


def toml(text: str, whole: str) -> dict[str, Any]:
    """What a text of TOML says; `whole` is what all of it is called. Raises FieldError, whatever the text is."""
    deep = FieldError(whole, f"is nested too deeply: {DEEPEST} tables and lists within one another at most")
    try:
        told = tomllib.loads(text)
    except RecursionError as fault:
        raise deep from fault
    except ValueError as fault:  # of a number with thousands of digits too
        raise FieldError(whole, f"is no TOML: {fault}") from fault
    level: list[Any] = [told]
    for _ in range(DEEPEST):
        level = [one for each in level for one in (each.values() if isinstance(each, dict) else each)]
        level = [each for each in level if isinstance(each, dict | list)]
        if not level:
            return told
    raise deep
