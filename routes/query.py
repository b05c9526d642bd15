"""What stands behind the question mark of an address."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

from flask import request

from core.problems import Problem

D = TypeVar("D", int, None)


def whole(name: str, default: D, most: int) -> int | D:
    """A whole number from 1 to `most`, or the default where it is left out or empty. Raises Problem 422."""
    text = request.args.get(name)
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 1 <= int(text) <= most):
        raise Problem(422, "Unprocessable field", f"{name} should be a whole number from 1 to {most}.", field=name)
    return int(text)


def boolean(name: str) -> bool | None:
    """`true` or `false`; None where it is left out or empty. Raises Problem 422."""
    text = request.args.get(name, "")
    if text not in ("", "true", "false"):
        raise Problem(422, "Unprocessable field", f"{name} should be true or false.", field=name)
    return text == "true" if text else None


def moment(name: str, args: Mapping[str, str] | None = None) -> float | None:
    """A time with its zone, in seconds since the epoch; None where it is left out or empty. Raises Problem 422."""
    text = (request.args if args is None else args).get(name)
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text[:64])
        if at.tzinfo is not None:
            return at.timestamp()
    except (ValueError, OverflowError):
        pass
    raise Problem(
        422, "Unprocessable field", f"{name} should be a time with its zone, such as 2026-11-21T10:00:00Z.", field=name
    )
