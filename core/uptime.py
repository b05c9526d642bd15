"""Since when this start of Headway runs.

gunicorn's master imports this before it forks, so every worker, one that was started anew too, tells the same start.
"""

from __future__ import annotations

import time

STARTED_AT = time.time()
"""Seconds since the epoch, UTC."""


def seconds() -> float:
    return time.time() - STARTED_AT
