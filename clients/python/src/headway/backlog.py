"""What jobs said and waits to be sent: coalesced, in order for each job, and bounded.

Whoever uses it holds a lock.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from headway.batches import BATCH_BYTES, BATCH_LINES

PROGRESS, STAGE, KEPT = range(3)
"""What may go first when room is short: progress, then stages. What opens, retries and ends a job is kept."""
SOFT_BYTES = 8 * 1024 * 1024
"""Past it the oldest progress is dropped, then the oldest stages."""
HARD_BYTES = 32 * 1024 * 1024
"""Past it the oldest of all that is left."""
_LINE_BYTES = 600
"""What a line takes in memory, besides its longer texts."""

Key = tuple[str, str]


class Line:
    """One update of the job `key` (agent, id). `alone`: no line of its job waits before it."""

    __slots__ = ("alone", "bytes", "fields", "key", "kind", "number")

    def __init__(self, key: Key, kind: int, fields: dict[str, Any], text_bytes: int = 0) -> None:
        self.key = key
        self.kind = kind
        self.fields = fields
        self.bytes = _LINE_BYTES + text_bytes
        self.number = 0
        self.alone = True


class Backlog:
    def __init__(self, soft_bytes: int = SOFT_BYTES, hard_bytes: int = HARD_BYTES) -> None:
        self._soft_bytes = soft_bytes
        self._hard_bytes = hard_bytes
        self._kinds: tuple[deque[Line], ...] = (deque(), deque(), deque())
        self._last: dict[Key, Line] = {}
        self._number = 0
        self._bytes = 0
        self.dropped = [0, 0, 0]
        """How many lines of each kind were dropped."""

    def __bool__(self) -> bool:
        return any(self._kinds)

    def __len__(self) -> int:
        return sum(len(lines) for lines in self._kinds)

    @property
    def full(self) -> bool:
        return len(self) >= BATCH_LINES

    def add(self, line: Line) -> None:
        """A progress that follows one of the same job takes its place; what it leaves unsaid stays."""
        last = self._last.get(line.key)
        if last is not None:
            if line.kind == PROGRESS and last.kind == PROGRESS:
                last.fields.update(line.fields)
                self._bytes += line.bytes - last.bytes
                last.bytes = line.bytes
                return
            line.alone = False
        self._number += 1
        line.number = self._number
        self._kinds[line.kind].append(line)
        self._last[line.key] = line
        self._bytes += line.bytes
        if self._bytes > self._soft_bytes:
            self._make_room()

    def take(self) -> list[Line]:
        """The oldest lines, as many as fit a batch. They are no longer here."""
        lines: list[Line] = []
        total = 0
        while len(lines) < BATCH_LINES and total < BATCH_BYTES:
            waiting = [kind for kind in self._kinds if kind]
            if not waiting:
                break
            line = self._remove(min(waiting, key=lambda kind: kind[0].number))
            lines.append(line)
            total += line.bytes
        return lines

    def restore(self, lines: list[Line]) -> None:
        """Put lines back that were taken last and could not be sent, before what came meanwhile."""
        for line in reversed(lines):
            next_one = self._last.get(line.key)
            line.alone = True
            if next_one is not None:
                if line.kind == PROGRESS and next_one.kind == PROGRESS and next_one.alone:
                    next_one.fields = {**line.fields, **next_one.fields}
                    continue
                next_one.alone = False
            self._kinds[line.kind].appendleft(line)
            self._last.setdefault(line.key, line)
            self._bytes += line.bytes
        self._make_room()

    def lost(self) -> str:
        updates, stages, kept = (self.dropped[kind] for kind in (PROGRESS, STAGE, KEPT))
        ends = f", {kept} begins or ends of jobs" if kept else ""
        return f"{updates} updates of progress, {stages} stages{ends}" if any(self.dropped) else ""

    def _remove(self, kind: deque[Line]) -> Line:
        line = kind.popleft()
        self._bytes -= line.bytes
        if self._last.get(line.key) is line:
            del self._last[line.key]
        return line

    def _make_room(self) -> None:
        for kind, most in ((PROGRESS, self._soft_bytes), (STAGE, self._soft_bytes), (KEPT, self._hard_bytes)):
            lines = self._kinds[kind]
            while lines and self._bytes > most:
                self._remove(lines)
                self.dropped[kind] += 1
