"""The way of log lines: in batches and in order; the oldest are dropped first, and a line says where some are missing."""

from __future__ import annotations

import uuid
from collections import deque
from typing import Any

from headway.batches import BATCH_BYTES, BATCH_LINES, post, rfc3339
from headway.lane import Lane
from headway.told import Told
from headway.transport import Transport

PATH = "/api/v1/logs"
MOST_LINES = 10_000
MOST_BYTES = 8 * 1024 * 1024
_LINE_BYTES = 300
"""What a line takes in memory, besides its message."""


class LogLine:
    """`at` is seconds since the epoch, `job` the agent and id of the job that it is about. `number` is its place among all."""

    __slots__ = ("at", "bytes", "job", "level", "message", "number", "source")

    def __init__(self, message: str, level: str, source: str, at: float, job: tuple[str, str] | None = None) -> None:
        self.message = message
        self.level = level
        self.source = source
        self.at = at
        self.job = job
        self.number = 0
        self.bytes = _LINE_BYTES + len(message)


class LogBacklog:
    """A batch that could not be sent is kept as it was, so that the site knows it if it has it after all."""

    def __init__(self, most_lines: int = MOST_LINES, most_bytes: int = MOST_BYTES) -> None:
        self._most_lines = most_lines
        self._most_bytes = most_bytes
        self._tried: list[LogLine] = []
        self._lines: deque[LogLine] = deque()
        self._bytes = 0
        self._number = 0
        self._last_dropped: LogLine | None = None
        self._missing = 0
        self.dropped = 0

    def __bool__(self) -> bool:
        return bool(self._tried or self._lines)

    @property
    def full(self) -> bool:
        return len(self._lines) >= BATCH_LINES or self._bytes >= BATCH_BYTES

    def add(self, one: LogLine) -> None:
        self._number += 1
        one.number = self._number
        self._lines.append(one)
        self._bytes += one.bytes
        while len(self._lines) > self._most_lines or self._bytes > self._most_bytes:
            self._last_dropped = self._remove()
            self._missing += 1
            self.dropped += 1

    def take(self) -> list[LogLine]:
        if self._tried:
            lines, self._tried = self._tried, []
            return lines
        lines, total = self._note(), 0
        while self._lines and len(lines) < BATCH_LINES and total < BATCH_BYTES:
            lines.append(self._remove())
            total += lines[-1].bytes
        return lines

    def restore(self, taken: list[LogLine]) -> None:
        self._tried = taken

    def lost(self) -> str:
        return f"{self.dropped:,} log lines" if self.dropped else ""

    def _remove(self) -> LogLine:
        line = self._lines.popleft()
        self._bytes -= line.bytes
        return line

    def _note(self) -> list[LogLine]:
        """A line that stands for those that were dropped, with the time and number of the last of them."""
        last, self._last_dropped = self._last_dropped, None
        if last is None:
            return []
        words = f"… {self._missing:,} lines are missing here: the site was away, or too slow for them"
        note = LogLine(words, "warning", last.source, last.at)
        note.number, self._missing = last.number, 0
        return [note]


class LogLane(Lane[LogLine]):
    name = "log lines"

    def begin(self) -> None:
        super().begin()
        self._process = uuid.uuid4().hex

    def send(self, transport: Transport, told: Told) -> None:
        def reject(_: LogLine, detail: str) -> None:
            told.refusal("a log line", detail)

        def once(lines: list[LogLine]) -> str:
            return f"{self._process}-{lines[0].number}-{lines[-1].number}"

        post(transport, PATH, self.under_way, _fields, reject, once)

    def _empty(self) -> LogBacklog:
        return LogBacklog()


def _fields(line: LogLine) -> dict[str, Any]:
    fields = {"message": line.message, "level": line.level, "source": line.source, "timestamp": rfc3339(line.at)}
    if line.job is not None:
        fields["agent"], fields["job"] = line.job
    return fields
