"""What somebody chose that is not among the usual: kept while it is asked for, bounded in number, read a few at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")

MOST = 160
"""Of some 80 kB each: what ten readers see who each chose a span of their own."""
AT_ONCE = 8
PATIENCE_S = 3.0


class Busy(Exception):
    """Too many are being read; the text goes on after "Unavailable, because"."""

    def __init__(self) -> None:
        super().__init__("many other spans of time are being read just now; the usual ranges are there")


class Others(Generic[T]):
    """By the name of their parts, those asked for last."""

    def __init__(self, most: int = MOST, at_once: int = AT_ONCE) -> None:
        self._most = most
        self._kept: OrderedDict[str, T] = OrderedDict()
        self._lock = threading.Lock()
        self._room = threading.BoundedSemaphore(at_once)

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, part: str, make: Callable[[], T]) -> T:
        """What is kept under a part's name, or a new one in the place of what nobody asked for longest."""
        with self._lock:
            found = self._kept.pop(part, None)
            self._kept[part] = one = make() if found is None else found
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return one

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A turn at reading. Raises Busy where none comes in time."""
        if not self._room.acquire(timeout=PATIENCE_S):
            raise Busy
        try:
            yield
        finally:
            self._room.release()
