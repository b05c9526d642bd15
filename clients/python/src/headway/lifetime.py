"""What becomes of reporters when their process forks or ends."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import weakref
from typing import Protocol


class Living(Protocol):
    """Something that holds a lock while it changes, begins anew in a child, and ends with its program."""

    lock: threading.RLock

    def forked(self) -> None: ...
    def end(self) -> None: ...


_all: weakref.WeakSet[Living] = weakref.WeakSet()
_held: list[Living] = []


def follow(one: Living) -> None:
    """Let `one` know of forks and of the end, as long as it lives."""
    _all.add(one)


def in_event_loop() -> bool:
    """Whether asyncio runs in this thread: such a process ends in order, and nothing may make it wait meanwhile."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def _before_fork() -> None:
    # No other thread may be half-way through a change when memory is copied.
    _held[:] = list(_all)
    for one in _held:
        one.lock.acquire()


def _after_fork_in_parent() -> None:
    for one in _held:
        one.lock.release()


def _after_fork_in_child() -> None:
    for one in _held:
        one.forked()
        _end_with_multiprocessing(one)


def _end_with_multiprocessing(one: Living) -> None:
    """A child of multiprocessing leaves without what `atexit` holds, but not without its own finalizers."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        # It forgets all finalizers as the child begins, and calls this right behind that.
        util.register_after_fork(one, lambda one: util.Finalize(one, one.end, exitpriority=0))


def _at_exit() -> None:
    for one in list(_all):
        one.end()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
