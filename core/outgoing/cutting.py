"""A limit to how long a connection may be used in all, however little comes how slowly."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass
class Cut:
    made: bool = False
    """Whether the time was over."""


@contextmanager
def cut_after(fileno: int, seconds: float) -> Iterator[Cut]:
    """Shuts a connection down in mid-sentence when the block lasts longer; who reads from it then meets its end.

    It works on a copy of the descriptor, so it makes no difference what becomes of the first one: TLS takes it over.
    """
    cut = Cut()
    with socket.socket(fileno=os.dup(fileno)) as copy:

        def shut() -> None:
            cut.made = True
            with suppress(OSError):  # It ended by itself.
                copy.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(max(seconds, 0.0), shut)
        timer.daemon = True
        timer.start()
        try:
            yield cut
        finally:
            timer.cancel()
