"""What stands in a job's payload, safely: nothing of it is run, no class of it imported, and however it is made it takes little."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec
from msgspec import Struct

from services.brokers import pickles
from services.brokers.pickled_values import Made, Named, Shown

MOST_BYTES = 128 * 1024


class Unreadable(ValueError):
    """A payload can't be shown; the text says why, and goes on behind "because"."""


class Call(Struct, frozen=True):
    """What a job calls. `function` is None where the payload names none; the rest is what JSON can hold."""

    function: str | None
    args: list[Any]
    kwargs: dict[str, Any]


def value(data: bytes) -> Any:
    """What either of RQ's serializers wrote, as far as JSON can hold it: objects as their class' names. Raises Unreadable."""
    return Shown().value(_read(data))


def rq_call(data: bytes) -> Call:
    """What RQ's field `data` says. Raises Unreadable."""
    told = _read(_inflated(data))
    if not isinstance(told, list) or len(told) != 4 or not isinstance(told[0], str | None):
        raise Unreadable("it does not say what to call, as RQ's jobs do")
    name, of, args, kwargs = told
    shown = Shown()
    given, named = shown.value(args), shown.value(kwargs)
    if not isinstance(given, list) or not isinstance(named, dict):
        raise Unreadable("its arguments are none")
    return Call(_function(name, of), given, named)


def rq_meta(data: bytes) -> dict[str, Any]:
    """What RQ's field `meta` says. Raises Unreadable."""
    told = value(data) if data else {}
    if not isinstance(told, dict):
        raise Unreadable("it is no map of names and values")
    return told


def _function(name: str | None, of: Any) -> str | None:
    """A method goes by its object's class too."""
    maker = of.maker if isinstance(of, Made) else of
    function = f"{maker.module}.{maker.name}.{name}" if isinstance(maker, Named) and name else name
    return function and str(Shown().value(function))[:200]


def _read(data: bytes) -> Any:
    if data[:1] == b"\x80":
        return _pickle(data)
    _check_length(data)
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as fault:
        if data[-1:] == b".":  # as pickles of the oldest protocols end
            return _pickle(data)
        raise Unreadable("it is neither JSON nor a pickle: its queue has another serializer") from fault


def _pickle(data: bytes) -> Any:
    _check_length(data)
    try:
        return pickles.read(data)
    except pickles.NoPickle as fault:
        raise Unreadable(str(fault)) from fault


def _inflated(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        found = inflater.decompress(data, MOST_BYTES + 1)
    except zlib.error:
        return data  # older versions of RQ did not compress it
    _check_length(found)
    return found


def _check_length(data: bytes) -> None:
    if len(data) > MOST_BYTES:
        raise Unreadable(f"it is longer than {MOST_BYTES // 1024} KiB")
