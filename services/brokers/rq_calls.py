"""What a job of RQ calls and what it noted in `meta`, masked. What can't be read says why, and the rest goes on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from services.brokers import payloads
from services.brokers.masking import Mask

_CALL = re.compile(r"([\w.]+)\(")
"""How RQ describes a job that was given no description: its call."""


class Call(NamedTuple):
    function: str | None
    title: str | None
    arguments: Mapping[str, Any] = MappingProxyType({})
    """`args` and `kwargs`, those that may be stored."""
    unreadable: str | None = None


def call_of(data: bytes | None, description: bytes | None, is_long: bool, mask: Mask) -> Call:
    """From the fields of a job's hash; `is_long` where its data are longer than is read."""
    said = (description or b"").decode("utf-8", "replace").strip()
    try:
        if is_long:
            raise payloads.Unreadable("it is too long to be read")
        told = payloads.rq_call(data or b"")
    except payloads.Unreadable as fault:
        described = _CALL.match(said)
        function = described[1] if described else None
        return Call(function, mask.title(function, said), unreadable=f"data: {fault}")
    return Call(told.function, mask.title(told.function, said), mask.call(told.args, told.kwargs))


def meta_of(meta: bytes | None, is_long: bool, mask: Mask) -> tuple[dict[str, Any], str | None]:
    """What stands in `meta`, and why it can't be read."""
    try:
        if is_long:
            raise payloads.Unreadable("it is too long to be read")
        told = mask.value(payloads.rq_meta(meta or b""))
    except payloads.Unreadable as fault:
        return {}, f"meta: {fault}"
    return told if isinstance(told, dict) else {}, None
