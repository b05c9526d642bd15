"""Values out of a pickle as JSON can hold them, bounded: one that stands in itself, or a thousand times, takes no more room."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

MOST_VALUES = 2_000
DEEPEST = 12
MOST_TEXT = 4_000
"""Characters of one text; what is longer is cut."""
MOST_CHARACTERS = 48_000
"""Of all texts together."""
MOST_NAME = 200
LARGEST = 2**63 - 1
CUT = "…"


@dataclass(frozen=True, slots=True)
class Named:
    """A class or a function, by its name."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"<{self.module[:MOST_NAME]}.{self.name[:MOST_NAME]}>"


@dataclass(slots=True)
class Pairs:
    """A map, keys and values in their order."""

    pairs: list[tuple[Any, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Made:
    """An object: what makes it, of what, and the state that it then gets."""

    maker: Any
    arguments: list[Any]
    state: Any = None
    pairs: list[tuple[Any, Any]] = field(default_factory=list)


class Shown:
    """Makes what JSON can hold of one payload."""

    def __init__(self) -> None:
        self._values = MOST_VALUES
        self._characters = MOST_CHARACTERS

    def value(self, value: Any, deep: int = 0) -> Any:
        self._values -= 1
        if self._values < 0 or self._characters < 0:
            return CUT
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int):
            return value if abs(value) <= LARGEST else _large(value)
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, bytes | bytearray):
            return f"<{len(value):,} bytes>"
        if deep >= DEEPEST:
            return CUT
        if isinstance(value, list | tuple):
            return [self.value(each, deep + 1) for each in value[: max(0, self._values) + 1]]
        if isinstance(value, dict):
            value = Pairs(list(value.items()))
        if isinstance(value, Pairs):
            return self._map(value.pairs, deep)
        return self._object(value, deep)

    def _map(self, pairs: list[tuple[Any, Any]], deep: int) -> dict[str, Any]:
        return {self._key(key, deep): self.value(value, deep + 1) for key, value in pairs[: max(0, self._values) + 1]}

    def _key(self, key: Any, deep: int) -> str:
        shown = self.value(key, deep + 1)
        return shown if isinstance(shown, str) else str(shown)[:MOST_NAME]

    def _text(self, text: str) -> str:
        kept = text[:MOST_TEXT]
        self._characters -= len(kept)
        return clean(kept if len(kept) == len(text) else f"{kept}{CUT}")

    def _object(self, value: Any, deep: int) -> Any:
        if isinstance(value, Made) and value.maker in _REBUILDERS and value.arguments:
            value = Made(value.arguments[0], value.arguments[1:], value.state, value.pairs)
        maker = value.maker if isinstance(value, Made) else value
        if not isinstance(maker, Named):
            return "<object>"
        known = _KNOWN.get(maker) if isinstance(value, Made) else None
        if known is not None:
            try:
                return self.value(known(value), deep + 1)
            except (ValueError, OverflowError, TypeError, IndexError, KeyError):
                pass  # it only bears that name
        return clean(str(maker))


def clean(text: str) -> str:
    """Without what a store or a page can't hold: NUL and lone surrogates."""
    if text.isascii():
        return text.replace("\0", "\ufffd") if "\0" in text else text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _large(value: int) -> str:
    return str(value) if value.bit_length() <= 512 else f"<a whole number of {value.bit_length():,} bits>"


def _datetime(made: Made) -> str:
    """Of its ten bytes, as `datetime.__reduce_ex__` writes them; a zone of its own class is left out."""
    packed = _packed(made.arguments[0])
    year, month, day = packed[0] * 256 + packed[1], packed[2] & 0x7F, packed[3]
    hour, minute, second, micro = *packed[4:7], int.from_bytes(packed[7:10], "big")
    told = datetime(year, month, day, hour, minute, second, micro).isoformat()
    return told + (_zone(made.arguments[1]) if len(made.arguments) > 1 else "")


def _zone(zone: Any) -> str:
    if not isinstance(zone, Made) or not isinstance(zone.maker, Named):
        return ""
    if zone.maker == Named("zoneinfo", "ZoneInfo._unpickle"):
        return f" {_first_text(zone)}"
    if zone.maker == Named("datetime", "timezone") and isinstance(zone.arguments[0], Made):
        offset = _delta(zone.arguments[0])
        sign, seconds = "-" if offset < timedelta(0) else "+", abs(int(offset.total_seconds()))
        return f"{sign}{seconds // 3600:02d}:{seconds // 60 % 60:02d}" if seconds else "+00:00"
    return ""


def _date(made: Made) -> str:
    packed = _packed(made.arguments[0])
    return date(packed[0] * 256 + packed[1], packed[2], packed[3]).isoformat()


def _time(made: Made) -> str:
    packed = _packed(made.arguments[0])
    return time(packed[0] & 0x7F, packed[1], packed[2], int.from_bytes(packed[3:6], "big")).isoformat()


def _packed(told: Any) -> bytes:
    """Bytes, which protocols before 3 write as text, by `_codecs.encode`."""
    if isinstance(told, Made) and told.maker == Named("_codecs", "encode"):
        told = told.arguments[0]
    return told.encode("latin-1") if isinstance(told, str) else bytes(memoryview(told))


def _delta(made: Made) -> timedelta:
    days, seconds, micros = made.arguments
    return timedelta(int(days), int(seconds), int(micros))


def _uuid(made: Made) -> str:
    pairs = made.state.pairs if isinstance(made.state, Pairs) else []
    return str(UUID(int=dict(pairs)["int"]))


def _first_text(made: Made) -> str:
    told = made.arguments[0]
    if not isinstance(told, str):
        raise TypeError("no text")
    return told


_PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
_KNOWN: dict[Named, Any] = {
    Named("datetime", "datetime"): _datetime,
    Named("datetime", "date"): _date,
    Named("datetime", "time"): _time,
    Named("datetime", "timedelta"): lambda made: str(_delta(made)),
    Named("uuid", "UUID"): _uuid,
    Named("decimal", "Decimal"): _first_text,
    Named("_codecs", "encode"): lambda made: _packed(made),
    Named("collections", "Counter"): lambda made: made.arguments[0],
    Named("collections", "OrderedDict"): lambda made: Pairs(made.pairs),
    Named("collections", "defaultdict"): lambda made: Pairs(made.pairs),
    **{
        Named(module, name): (lambda made: made.arguments[0] if made.arguments else [])
        for module in ("builtins", "__builtin__")
        for name in ("set", "frozenset")
    },
    **{
        Named(module, name): (lambda made: "/".join(made.arguments).replace("//", "/"))
        for module in ("pathlib", "pathlib._local")
        for name in _PATHS
    },
}
"""Objects whose text says more than their class' name: how each is made of what stands in the pickle."""
_REBUILDERS = (Named("copyreg", "_reconstructor"), Named("copy_reg", "_reconstructor"), Named("copyreg", "__newobj__"))
