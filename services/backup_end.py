"""How a command that copies or restores is ended by SIGTERM or Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ENDING = signal.SIGINT, signal.SIGTERM


class Ended(SystemExit):
    """Raised in the main thread, with the code that shells know: 130 after Ctrl-C, 143 after SIGTERM."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.name = signal.Signals(number).name
        self.left = "nothing was changed"
        """What is left of what was under way."""


def end_when_asked() -> None:
    """From now on what asks to end raises Ended, once: what was begun is tidied away in peace. Call it from the main thread."""

    def end(number: int, _: Any) -> None:
        for one in ENDING:
            signal.signal(one, signal.SIG_IGN)
        raise Ended(number)

    for one in ENDING:
        signal.signal(one, end)


@contextmanager
def undisturbed() -> Iterator[None]:
    """What asks to end comes too late for what is done in a moment. Call it from the main thread."""
    before = [(number, signal.signal(number, signal.SIG_IGN)) for number in ENDING]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
