"""Since when this start of Headway runs, and whether it is about to end.

`gunicorn.conf.py` imports this before it forks, so every worker, a restarted one too, tells the same start.
"""

from __future__ import annotations

import time

STARTED_AT = time.time()
"""Seconds since the epoch, UTC."""

_draining = False


def drain() -> None:
    """Say that this process takes no new work: `/readyz` answers 503 from now on."""
    global _draining
    _draining = True


def draining() -> bool:
    return _draining


def seconds() -> float:
    return time.time() - STARTED_AT
