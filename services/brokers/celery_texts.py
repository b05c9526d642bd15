"""What Celery tells of arguments and results: representations as text. They are read as literals where they are some, never
evaluated, so that a field can be hidden by its name; where they are none (cut off, or an object in them), by the text alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from services.brokers.masking import MOST_TITLE, Mask
from services.brokers.numbers import finite
from services.log_redaction import HIDDEN

MOST = 4_000
"""Characters of a representation that are looked at."""
MOST_SHOWN = 50
"""Arguments in a title."""
_DEEPEST = 30
_KEYED = re.compile(r"""(?:(['"])(?P<key>\w{1,100})\1\s*:|\b(?P<name>\w{1,100})=)\s*""")


def arguments(mask: Mask, args: object, kwargs: object) -> dict[str, Any]:
    """`args` and `kwargs` for a job's metadata, of their representations: the text itself where it is no literal."""
    positional, keywords = literal(args), literal(kwargs)
    told = mask.call(
        positional if isinstance(positional, list) else [text(mask, args)] if args else (),
        keywords if isinstance(keywords, dict) else {"": text(mask, kwargs)} if kwargs else {},
    )
    if "args" in told and not isinstance(positional, list):
        told["args"] = told["args"][0]
    if "kwargs" in told and not isinstance(keywords, dict):
        told["kwargs"] = told["kwargs"][""]
    return told


def call(function: str, masked: Mapping[str, Any]) -> str:
    """A task as RQ describes its jobs, `shop.say(1, to='x')`, of what `arguments` told; cut somewhere behind `MOST_TITLE` characters."""
    args, kwargs = masked.get("args", ()), masked.get("kwargs", {})
    parts = [_text_of_args(args)] if isinstance(args, str) else [_shown(each) for each in args[:MOST_SHOWN]]
    if isinstance(kwargs, str):
        parts.append(f"**{kwargs}")
    else:
        parts += [f"{name}={_shown(each)}" for name, each in islice(kwargs.items(), MOST_SHOWN)]
    return f"{function}({', '.join(parts)[: MOST_TITLE + 1]})"


def _text_of_args(args: str) -> str:
    """`(<Order: 5>,)` without its brackets, which the call has."""
    return args.removeprefix("(").removesuffix(")").removesuffix(",")


def _shown(value: Any) -> str:
    return repr(value[: MOST_TITLE + 1] if isinstance(value, str) else value)


def value(mask: Mask, said: object) -> Any:
    """A result of its representation: what JSON can hold where it is a literal, else its text."""
    read = literal(said)
    return mask.result(text(mask, said) if read is None else read)


def text(mask: Mask, said: object) -> str | None:
    """A representation that is no literal, with what follows the name of a hidden field put out of sight."""
    if not isinstance(said, str):
        return None
    kept, at = "", 0
    said = said[:MOST]
    for found in _KEYED.finditer(said):
        if found.start() >= at and mask.hides(found["key"] or found["name"]):
            kept += said[at : found.end()] + HIDDEN
            at = _end_of_value(said, found.end())
    return mask.text(kept + said[at:])


def _end_of_value(said: str, at: int) -> int:
    """Where the value that begins there is over: its brackets are closed, or its text was cut off."""
    depth, quote = 0, ""
    while at < len(said):
        letter = said[at]
        if quote:
            at += letter == "\\"
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "([{<":
            depth += 1
        elif letter in ")]},>" and depth == 0:
            return at
        elif letter in ")]}>":
            depth -= 1
        at += 1
    return at


def literal(said: object) -> Any:
    """What a representation says, as JSON can hold it; None where it is no literal of that."""
    if not isinstance(said, str) or not said or len(said) > MOST:
        return None
    try:
        return _plain(ast.literal_eval(said), _DEEPEST)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _plain(value: Any, deepest: int) -> Any:
    """Raises ValueError for what JSON can't hold."""
    if deepest < 0:
        raise ValueError("too deep")
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        if finite(value) is None:
            raise ValueError("no number of JSON")
        return value
    if isinstance(value, list | tuple | set):
        return [_plain(each, deepest - 1) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each, deepest - 1) for key, each in value.items()}
    raise ValueError("no plain value")
