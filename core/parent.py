"""A child that does not outlive its parent, where the system can promise that (Linux)."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from signal import Signals

PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with(parent: int, signal: Signals) -> Callable[[], None]:
    """What a fresh child calls first: from then on it gets `signal` when the thread that forked it ends.

    Where the system has no such thing (macOS) it does nothing. Allocates nothing and imports nothing, so that it may
    run between fork and exec.
    """

    def ask() -> None:
        if _libc is None:
            return
        _libc.prctl(PR_SET_PDEATHSIG, int(signal), 0, 0, 0)
        if os.getppid() != parent:  # it died before it could be watched
            os._exit(1)

    return ask
