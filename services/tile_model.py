"""A tile as Headway's rooms pass it on, and how it is read out of the store."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import Struct

from core.config import Tile as Declared

State = Literal["good", "warn", "bad"]
Number = int | float
Point = tuple[int, Number]
"""The minute's beginning, in seconds since the epoch, and its last value."""

HISTORY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure. Times are seconds since the epoch, None before the first reading.

    `value` is the last good one, None where there is none, of `good_at`; `at` is when its source was asked last. While the
    source gives none, `unavailable` says why, behind "because", and `since` when that began. `state` is None where no bound
    tells of the value, and while it is unavailable. `kind` is that of the source, `bounds` says in words where colours begin.
    """

    id: str
    title: str
    group: str
    unit: str
    format: str
    link: str | None
    kind: str
    declared: bool
    every_s: float | None
    bounds: str
    value: Number | None
    state: State | None
    at: float | None
    good_at: float | None
    unavailable: str | None
    since: float | None
    took_s: float | None
    failures: int
    points: tuple[Point, ...] = ()


class Record(Struct):
    """What the script `tile` keeps: `v` is a number's text, times are in ms, `took` in seconds."""

    at: float = 0
    v: str | None = None
    good: float | None = None
    why: str | None = None
    since: float | None = None
    took: float | None = None
    fails: int = 0


_record = msgspec.msgpack.Decoder(Record).decode


def record_of(packed: bytes | None) -> Record | None:
    """A tile's record; None where there is none, or one that can't be read, which the next value mends."""
    try:
        return None if packed is None else _record(packed)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def tile(declared: Declared, record: Record | None, *, known: bool = True, points: tuple[Point, ...] = ()) -> Tile:
    """`known`: whether headway.toml declares it."""
    kept = record or Record()
    value = None if kept.v is None else parsed(kept.v)
    kind = str(declared.source.__struct_config__.tag)
    failing = kept.why if kind != "push" else None  # a source that it had before may have failed
    return Tile(
        id=declared.id,
        title=declared.title or titled(declared.id),
        group=declared.group,
        unit=declared.unit,
        format=declared.format,
        link=declared.link,
        kind=kind,
        declared=known,
        every_s=None if kind == "push" else float(declared.every),
        bounds=bounds(declared),
        value=value,
        state=None if value is None or failing else state(declared, value),
        at=kept.at / 1000 if record else None,
        good_at=_seconds(kept.good),
        unavailable=failing,
        since=_seconds(kept.since) if failing else None,
        took_s=kept.took,
        failures=kept.fails,
        points=points,
    )


def state(declared: Declared, value: Number) -> State | None:
    """How a value stands, by the bounds of its tile."""
    falls = declared.better == "higher"  # the way on which a value gets worse

    def reaches(bound: float | None) -> bool:
        return bound is not None and (value <= bound if falls else value >= bound)

    if reaches(declared.bad):
        return "bad"
    if reaches(declared.warn):
        return "warn"
    if declared.good is None:
        return "good" if declared.warn is not None or declared.bad is not None else None
    return "good" if (value >= declared.good if falls else value <= declared.good) else None


def bounds(declared: Declared) -> str:
    """ "good up to 10, warn from 100, bad from 1000"; empty without bounds."""
    better, worse = ("up to", "from") if declared.better == "lower" else ("from", "down to")
    told = (("good", better, declared.good), ("warn", worse, declared.warn), ("bad", worse, declared.bad))
    return ", ".join(f"{name} {way} {bound:.15g}" for name, way, bound in told if bound is not None)


def titled(id: str) -> str:
    """An id as a title: `mails.in_queue` is "Mails in queue"."""
    words = id.replace(".", " ").replace("_", " ")
    return words[:1].upper() + words[1:]


def points_of(members: Iterable[bytes]) -> tuple[Point, ...]:
    """Points as the script keeps them, oldest first."""
    found = []
    for member in members:
        minute, _, text = member.decode(errors="replace").partition(":")
        value = parsed(text)
        if minute.isdigit() and value is not None:
            found.append((int(minute) * 60, value))
    return tuple(found)


def parsed(text: str) -> Number | None:
    """A number's text; None where it is none that can be shown."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000
