"""What a request asks to see of charts: `?range=6h` or `?from=…&to=…`, and perhaps `&compare=day&agent=studio`."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec
from flask import request

from core.fields import FieldError
from core.problems import Problem
from panels import USUAL, Choice
from panels._view import BEFORE_S, Compare
from routes import query, site
from services import chart_source, job_rules, windows
from services.windows import DEFAULT_RANGE, RANGES, Window

SECONDS = re.compile(r"\d{1,12}(?:\.\d{1,9})?\Z", re.ASCII)


def asked() -> str:
    """The name of a range, from `?range=`. Raises Problem: 422 for one that is none."""
    name = request.args.get("range") or DEFAULT_RANGE
    if name not in RANGES:
        raise Problem(422, "Unknown range", f"range should be one of {', '.join(RANGES)}.", field="range")
    return name


def choice() -> Choice:
    """What was chosen; where a span is, `?range=` stands for the range to go back to. Raises Problem 422."""
    if not request.query_string:
        return USUAL
    return Choice(span(request.args) or asked(), _compare(), whose(request.args))


def span(args: Mapping[str, str]) -> Window | None:
    """The span from `from` to `to`; None where neither is said. Raises Problem 422."""
    since, until = _moment("from", args), _moment("to", args)
    if since is None and until is None:
        return None
    if since is None:
        raise _unprocessable("from", "should be there where to is: a span has a beginning")
    now = site().clock()
    if until is None:
        until = max(now, since + 1)
    try:
        return windows.of_span(since, until, now, chart_source.reach_s(site()))
    except FieldError as error:
        raise _unprocessable(error.field, error.fault) from error


def _moment(name: str, args: Mapping[str, str]) -> float | None:
    text = args.get(name, "")
    if SECONDS.match(text):
        return float(text)
    try:
        return query.moment(name, args)
    except Problem as problem:
        raise _unprocessable(
            name, "should be a time with its zone, such as 2026-11-21T10:00:00Z, or seconds since the epoch"
        ) from problem


def _compare() -> Compare | None:
    name = request.args.get("compare")
    if name and name not in BEFORE_S:
        raise _unprocessable("compare", f"should be one of {', '.join(BEFORE_S)}, or left out")
    return name or None


def whose(args: Mapping[str, str]) -> str | None:
    """The agent; None for all. Raises Problem 422."""
    name = args.get("agent", "").strip()
    try:
        return msgspec.convert(name, job_rules.Agent) if name else None
    except msgspec.ValidationError as error:
        words = "should be an agent's name: 1 to 128 characters, no slash, no control character"
        raise _unprocessable("agent", words) from error


def _unprocessable(field: str, fault: str) -> Problem:
    return Problem(422, "Unprocessable field", f"{field} {fault}.", field=field)
