"""Decoded objects, of JSON or TOML, made into what a type says: `check(Type, fields)`, or `FieldError` in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

T = TypeVar("T")
WORDS = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "null": "nothing",
    "object": "a table of names and values",
    "str": "text",
}
STEP = re.compile(r"([^.\[\]]+)(?![^\[]*\])|\[([^\]]*)\]")
"""A step of a path such as `tiles[2].source`: a name, or what stands in brackets."""
FIELD = re.compile(r"(.*?)\.?([^.\[\]]*)(?:\[[^\]]*\])*", re.S)
"""A path's last name, and what stands before it."""


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
        raise _in_words(str(fault), kind, fields, whole) from fault


def _in_words(text: str, kind: type[Any], fields: Any, whole: str) -> FieldError:
    what, _, path = text.replace(" - at `key` in `$", " - at `$").partition(" - at `$")
    field = path.rstrip("`").lstrip(".")
    within = f"{field}." if field else ""
    if unknown := re.search(r"unknown field `(.*)`", what):
        known = sorted(
            {info.encode_name for struct in _at(kind, fields, field) for info in msgspec.structs.fields(struct)}
        )
        return FieldError(within + unknown[1], f"is no field here; the fields are {', '.join(known)}")
    if missing := re.search(r"missing required field `(.*)`", what):
        return FieldError(within + missing[1], "is missing")
    if not field:
        return FieldError(whole, "should be a JSON object" if what.startswith("Expected `object`") else what)
    says, choices = _meaning(kind, fields, field, is_list=what.startswith("Expected `array`"))
    if says:
        return FieldError(field, f"should be {says}")
    if choices:
        return FieldError(field, f"should be one of {', '.join(choices)}")
    return FieldError(field, _plain(what))


def _plain(what: str) -> str:
    """What msgspec says of a type, in words for people."""
    if bound := re.fullmatch(r"Expected `([a-z]+)` (?:of length )?(<=|>=) (\S+)", what):
        wanted, way, limit = bound.groups()
        of = f" of {limit} characters" if wanted == "str" else f", {limit}"
        return f"should be {WORDS.get(wanted, wanted)}{of} {'at most' if way == '<=' else 'or more'}"
    found = re.fullmatch(r"Expected `([a-z]+)[^`]*`, got `([a-z]+)`", what)
    if not found:
        return what[:1].lower() + what[1:].replace("`", "")
    wanted, got = (WORDS.get(name, name) for name in found.groups())
    return f"should be {wanted}, and is {got}"


def _at(kind: Any, value: Any, path: str) -> list[type[Any]]:
    """The structs that stand at a path of a type: several where `value` does not tell which of several it is."""
    found = _named(list(_structs(kind)), value)
    for name, number in STEP.findall(path):
        if name:
            value = value.get(name) if isinstance(value, dict) else None
            found = [struct for each in found for struct in _structs(_hints(each).get(name))]  # type: ignore[arg-type]
        elif number.isdigit():
            value = value[int(number)] if isinstance(value, list) else None
        found = _named(found, value)
    return found


def _named(structs: list[type[Any]], value: Any) -> list[type[Any]]:
    """Those of several structs that a value's tag names; all where it names none."""
    tags = [(struct, struct.__struct_config__) for struct in structs]
    named = [struct for struct, own in tags if isinstance(value, dict) and value.get(own.tag_field, "") == own.tag]
    return named or structs


def _meaning(kind: Any, value: Any, path: str, is_list: bool) -> tuple[str | None, list[str]]:
    """What the field at a path should be, in words where its type says so, and its choices where it has some. `is_list`: a list is
    wanted, and what is said of its values says nothing of it."""
    parent, last = FIELD.fullmatch(path).groups()  # type: ignore[union-attr]
    structs = _at(kind, value, parent)
    hints = [hint for struct in structs if (hint := _hints(struct).get(last)) is not None]  # type: ignore[arg-type]
    for hint in hints:
        for part in (hint, *get_args(hint)):
            if is_list and get_origin(getattr(part, "__origin__", None)) not in (list, tuple):
                continue
            for meta in getattr(part, "__metadata__", ()):
                if isinstance(meta, Meta) and meta.description:
                    return meta.description, []
    choices = [str(choice) for hint in hints for choice in _choices(hint)]
    if not hints:  # what tells several structs apart
        choices = sorted(str(struct.__struct_config__.tag) for struct in structs)
    return None, choices


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
