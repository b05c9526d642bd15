"""Whether this process was told to end: it finishes what it has begun and should get nothing new."""

from __future__ import annotations

_begun = False


def begin() -> None:
    global _begun
    _begun = True


def begun() -> bool:
    return _begun
