"""The lines of what a command writes, for the logs."""

from __future__ import annotations

import time
from collections.abc import Callable

A_SECOND, AT_ONCE = 1_000, 10_000
"""Lines that are taken in the long run, and of a sudden; what a command writes beyond that is counted."""
LONGEST = 64 * 1024
"""Bytes without an end of line that are taken for a line."""


class Lines:
    """Cuts one stream of output into lines. Of a line that was written over by carriage returns the last state counts."""

    def __init__(self, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell = tell
        self._clock = clock
        self._rest = b""
        self._room = float(AT_ONCE)
        self._at = clock()
        self._left_out = 0

    def seen(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST:
            lines.append(self._rest)
            self._rest = b""
        self._take(lines)

    def finish(self) -> None:
        """There is no more."""
        self._take([self._rest] if self._rest else [])
        self._rest = b""
        self._tell_left_out()

    def _take(self, lines: list[bytes]) -> None:
        now = self._clock()
        self._room = min(AT_ONCE, self._room + A_SECOND * (now - self._at))
        self._at = now
        room = int(self._room)
        if lines and room:
            self._tell_left_out()
        for line in lines[:room]:
            text = line.decode(errors="replace").rstrip("\r").rpartition("\r")[2]
            if text.strip():
                self._tell(text)
        self._room -= min(room, len(lines))
        self._left_out += max(0, len(lines) - room)

    def _tell_left_out(self) -> None:
        if self._left_out:
            self._tell(f"… {self._left_out:,} lines are left out here: more than {A_SECOND:,} a second were written")
            self._left_out = 0
