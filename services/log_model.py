"""A log line as Headway's rooms pass it on, and how lines of one source are packed together into what the store keeps.

Lines are kept a chunk at a time: those of one source in one call, up to `MOST_LINES`. A chunk's head tells how many they
are, of which levels and times, so that a search passes by what it need not unpack.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from core.times import rfc3339
from services import log_text

Level = Literal["debug", "info", "warning", "error", "critical"]
LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error", "critical")

MOST_LINES = 500
MOST_CHUNK_BYTES = 256 * 1024
PACKED_FROM = 400
"""Bytes; shorter chunks hardly shrink."""
MOST_PLACE = 99_999
"""No line stands there: behind all of its chunk."""
_ID = re.compile(r"(\d{1,15})-(\d{1,15})-(\d{1,5})", re.ASCII)
_pack = msgspec.msgpack.Encoder().encode


class JobLink(NamedTuple):
    """The job that a line is about, as it was given, and which one that is."""

    given: int | str
    agent: str
    id: str


@dataclass(frozen=True, slots=True)
class NewLine:
    """A line on its way in: cleaned, redacted, its job found. `level` is its place in LEVELS, `at_ms` is UTC."""

    message: str
    level: int
    source: str
    at_ms: int
    job: JobLink | None = None


class LineId(NamedTuple):
    """Where a line stands among all: its chunk's id in the store, then its place in the chunk."""

    ms: int
    seq: int
    place: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}-{self.place}"


@dataclass(frozen=True, slots=True)
class LogLine:
    """A kept line. `message` may hold SGR colour codes (`services.log_text` makes text or spans of it); `at` is in seconds since
    the epoch, as the sender told it, never later than it came in; `job` as it was given, with the agent and id that this means."""

    id: LineId
    at: float
    level: Level
    source: str
    message: str
    job: int | str | None = None
    agent: str | None = None
    job_id: str | None = None


def as_json(line: LogLine) -> dict[str, Any]:
    """A line as it goes over the wire: `log` of dialect T."""
    return {
        "id": str(line.id),
        "timestamp": rfc3339(line.at),
        "level": line.level,
        "source": line.source,
        "message": log_text.plain(line.message),
        "job": line.job,
    }


def line_id(text: str) -> LineId | None:
    """An id that a client sends back; None where it is none."""
    found = _ID.fullmatch(text)
    return LineId(*map(int, found.groups())) if found else None


class Head(Struct, frozen=True, array_like=True):
    """What a chunk is, without unpacking it. `levels` has a bit a level, `source` is as told, `since` and `until` are ms."""

    source: str
    count: int
    levels: int
    since: int
    until: int


class _Body(Struct, array_like=True):
    """`text` holds the messages with a NUL between them, which none of them has; `times` count from the head's `since`."""

    levels: bytes
    times: list[int]
    text: str
    jobs: dict[int, tuple[int | str, str, str]]


class _Kept(Struct, array_like=True):
    """A line in its job's own list."""

    at_ms: int
    level: int
    source: str
    message: str
    given: int | str


_head = msgspec.msgpack.Decoder(Head)
_body = msgspec.msgpack.Decoder(_Body)
_kept = msgspec.msgpack.Decoder(_Kept)


@dataclass(frozen=True, slots=True)
class Packed:
    """A chunk as the store keeps it: its head, and its body under the field `d`, or `z` where it is compressed."""

    source: str
    levels: bytes
    head: bytes
    field: str
    data: bytes


def pack(source: str, lines: Sequence[NewLine]) -> Packed:
    """Up to MOST_LINES of one source."""
    levels, times = bytes(line.level for line in lines), [line.at_ms for line in lines]
    since, mask = min(times), 0
    for level in set(levels):
        mask |= 1 << level
    body = _Body(
        levels,
        [at - since for at in times],
        "\0".join(line.message for line in lines),
        {place: line.job for place, line in enumerate(lines) if line.job is not None},
    )
    data, field = _pack(body), "d"
    if len(data) >= PACKED_FROM:
        data, field = zlib.compress(data, 1), "z"
    return Packed(source, levels, _pack(Head(source, len(lines), mask, since, max(times))), field, data)


def head(data: bytes) -> Head:
    """Raises ValueError where somebody else wrote it."""
    return _head.decode(data)


class Chunk:
    """A chunk out of the store, unpacked. Raises ValueError where somebody else wrote it."""

    def __init__(self, ms: int, seq: int, head: Head, field: bytes, data: bytes) -> None:
        try:
            body = _body.decode(zlib.decompress(data) if field == b"z" else data)
        except zlib.error as fault:
            raise ValueError("a damaged chunk") from fault
        self._ms, self._seq, self._head, self._jobs = ms, seq, head, body.jobs
        self.text, self.levels = body.text, body.levels
        self.times = [head.since + time for time in body.times]
        """In ms."""

    def messages(self) -> list[str]:
        """As many as there are levels and times. Raises ValueError."""
        messages = self.text.split("\0")
        if not len(messages) == len(self.levels) == len(self.times):
            raise ValueError("a damaged chunk")
        return messages

    def line(self, place: int, message: str) -> LogLine:
        given, agent, id = self._jobs.get(place, (None, None, None))
        return LogLine(
            LineId(self._ms, self._seq, place),
            self.times[place] / 1000,
            level_name(self.levels[place]),
            self._head.source,
            message,
            given,
            agent,
            id,
        )


def level_name(level: int) -> Level:
    return LEVELS[min(level, len(LEVELS) - 1)]


def pack_for_job(line: NewLine) -> bytes:
    assert line.job is not None  # noqa: S101
    return _pack(_Kept(line.at_ms, line.level, line.source, line.message, line.job.given))


def of_job_list(element: bytes, agent: str, id: str) -> LogLine:
    """A line out of its job's own list: its id, a space, and itself. Raises ValueError where somebody else wrote it."""
    name, _, data = element.partition(b" ")
    where, kept = line_id(name.decode("ascii", "replace")), _kept.decode(data)
    if where is None:
        raise ValueError("a line without its id")
    return LogLine(where, kept.at_ms / 1000, level_name(kept.level), kept.source, kept.message, kept.given, agent, id)
