"""Decoded objects, of JSON or TOML, made into what a type says: `check(Type, fields)`, or `FieldError` in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta

T = TypeVar("T")


class FieldError(ValueError):
    """A field is not what it should be. `field` is its path, `fault` says what it should be."""

    def __init__(self, field: str, fault: str) -> None:
        super().__init__(f"{field}: {fault}")
        self.field = field
        self.fault = fault


def check(kind: type[T], fields: Any, hook: Callable[[type, Any], Any] | None = None, whole: str = "the body") -> T:
    """`fields` as `kind`. `hook` makes types of our own, and raises ValueError with words; `whole` is what all of it is called.
    Raises FieldError."""
    try:
        return msgspec.convert(fields, kind, dec_hook=hook)
    except msgspec.ValidationError as fault:
        raise _in_words(str(fault), kind, whole) from fault


def _in_words(text: str, kind: type[Any], whole: str) -> FieldError:
    what, _, path = text.partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    within = f"{field}." if field else ""
    if unknown := re.search(r"unknown field `(.*)`", what):
        known = sorted({info.encode_name for struct in _at(kind, field) for info in msgspec.structs.fields(struct)})
        return FieldError(within + unknown[1], f"is no field here; the fields are {', '.join(known)}")
    if missing := re.search(r"missing required field `(.*)`", what):
        return FieldError(within + missing[1], "is missing")
    if not field:
        return FieldError(whole, "should be a JSON object" if what.startswith("Expected `object`") else what)
    says, choices = _meaning(kind, field)
    if says:
        return FieldError(field, f"should be {says}")
    if choices:
        return FieldError(field, f"should be one of {', '.join(choices)}")
    return FieldError(field, what[:1].lower() + what[1:].replace("`", ""))


def _at(kind: Any, path: str) -> list[type[Any]]:
    """The structs that stand at a path of a type: several where it is one of several."""
    kinds = list(_structs(kind))
    for name in _names(path):
        kinds = [found for each in kinds for found in _structs(_hints(each).get(name))]  # type: ignore[arg-type]
    return kinds


def _meaning(kind: Any, path: str) -> tuple[str | None, list[str]]:
    """What the field at a path should be, in words where its type says so, and its choices where it has some."""
    *parents, last = _names(path)
    structs = _at(kind, ".".join(parents))
    hints = [hint for struct in structs if (hint := _hints(struct).get(last)) is not None]  # type: ignore[arg-type]
    for hint in hints:
        for part in (hint, *get_args(hint)):
            for meta in getattr(part, "__metadata__", ()):
                if isinstance(meta, Meta) and meta.description:
                    return meta.description, []
    choices = [str(choice) for hint in hints for choice in _choices(hint)]
    if not hints:  # what tells several structs apart
        choices = sorted(str(struct.__struct_config__.tag) for struct in structs)
    return None, choices


def _names(path: str) -> list[str]:
    return [name for name in re.sub(r"\[[^\]]*\]", "", path).split(".") if name]


def _structs(hint: Any) -> Iterator[type[Any]]:
    """The structs within a type: its own, a list's, a union's."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for part in get_args(hint):
        yield from _structs(part)


def _choices(hint: Any) -> Iterator[str]:
    for part in get_args(hint):
        if isinstance(part, str):
            yield part
        else:
            yield from _choices(part)


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {info.encode_name: hints[info.name] for info in msgspec.structs.fields(kind)}  # type: ignore[arg-type]
