"""The range of time that a request asks for."""

from __future__ import annotations

from flask import request

from core.problems import Problem
from services.windows import DEFAULT_RANGE, RANGES


def asked() -> str:
    """The name of a range, from `?range=`. Raises Problem: 422 for one that is none."""
    name = request.args.get("range") or DEFAULT_RANGE
    if name not in RANGES:
        raise Problem(422, "Unknown range", f"range should be one of {', '.join(RANGES)}.", field="range")
    return name
