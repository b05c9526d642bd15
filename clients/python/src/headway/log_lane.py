"""The way of log lines: in order, the oldest dropped first, and what is missing is said where it is missing."""

from __future__ import annotations

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
    """`at` is seconds since the epoch, `job` the agent and id of the job that it is about."""

    __slots__ = ("at", "bytes", "job", "level", "message", "source")

    def __init__(self, message: str, level: str, source: str, at: float, job: tuple[str, str] | None = None) -> None:
        self.message = message
        self.level = level
        self.source = source
        self.at = at
        self.job = job
        self.bytes = _LINE_BYTES + len(message)


class LogBacklog:
    def __init__(self, most_lines: int = MOST_LINES, most_bytes: int = MOST_BYTES) -> None:
        self._most_lines = most_lines
        self._most_bytes = most_bytes
        self._lines: deque[LogLine] = deque()
        self._bytes = 0
        self._missing: LogLine | None = None
        self._missing_count = 0
        self.dropped = 0

    def __bool__(self) -> bool:
        return bool(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def full(self) -> bool:
        return len(self._lines) >= BATCH_LINES or self._bytes >= BATCH_BYTES

    def add(self, one: LogLine) -> None:
        self._lines.append(one)
        self._bytes += one.bytes
        self._make_room()

    def take(self) -> list[LogLine]:
        lines, total = [], 0
        if self._missing is not None:
            lines.append(self._note(self._missing))
        while self._lines and len(lines) < BATCH_LINES and total < BATCH_BYTES:
            line = self._lines.popleft()
            self._bytes -= line.bytes
            lines.append(line)
            total += line.bytes
        return lines

    def restore(self, taken: list[LogLine]) -> None:
        self._lines.extendleft(reversed(taken))
        self._bytes += sum(line.bytes for line in taken)
        self._make_room()

    def lost(self) -> str:
        return f"{self.dropped:,} log lines" if self.dropped else ""

    def _make_room(self) -> None:
        while len(self._lines) > self._most_lines or self._bytes > self._most_bytes:
            self._missing = self._lines.popleft()
            self._bytes -= self._missing.bytes
            self._missing_count += 1
            self.dropped += 1

    def _note(self, last: LogLine) -> LogLine:
        """What stands where lines were dropped, at the time of the last of them."""
        words = f"… {self._missing_count:,} lines are missing here: the site was away, or too slow for them"
        self._missing, self._missing_count = None, 0
        return LogLine(words, "warning", last.source, last.at)


class LogLane(Lane[LogLine]):
    name = "log lines"

    def send(self, transport: Transport, told: Told) -> None:
        post(transport, PATH, self.under_way, _fields, lambda _, detail: told.refusal("a log line", detail))

    def _empty(self) -> LogBacklog:
        return LogBacklog()


def _fields(line: LogLine) -> dict[str, Any]:
    fields = {"message": line.message, "level": line.level, "source": line.source, "timestamp": rfc3339(line.at)}
    if line.job is not None:
        fields["agent"], fields["job"] = line.job
    return fields
