"""How busy the machine is that this process runs on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import psutil

RECENT_S = 6.0
"""A figure of the processor that is taken over a longer time tells of the past."""
BLINK_S = 0.1

T = TypeVar("T")


@dataclass(frozen=True)
class Load:
    """In percent, and the mean length of the run queue over a minute; None where the machine does not tell."""

    cpu_percent: float | None
    memory_percent: float | None
    load1: float | None


class Machine:
    """Tells how busy the processors were since it was asked last, or in a tenth of a second where that is long ago.

    psutil's own figure is zero the first time that a thread asks for it.
    """

    def __init__(self) -> None:
        self._last: tuple[float, float] = (0.0, 0.0)
        self._asked_at = float("-inf")

    def load(self) -> Load:
        return Load(
            _known(self._cpu_percent),
            _known(lambda: psutil.virtual_memory().percent),
            _known(lambda: round(os.getloadavg()[0], 2)),
        )

    def _cpu_percent(self) -> float | None:
        if time.monotonic() - self._asked_at > RECENT_S:
            self._last = _spent()
            time.sleep(BLINK_S)
        (busy_before, before), (busy, total) = self._last, _spent()
        self._last, self._asked_at = (busy, total), time.monotonic()
        if total <= before:
            return None
        return round(min(max(100 * (busy - busy_before) / (total - before), 0.0), 100.0), 1)


def _spent() -> tuple[float, float]:
    """Processor time in seconds: that was worked, and in all."""
    times = psutil.cpu_times()
    # A guest's time is counted in that of its host as well.
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - times.idle - getattr(times, "iowait", 0.0), total


def _known(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except (OSError, psutil.Error, NotImplementedError, ValueError):
        return None
