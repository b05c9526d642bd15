"""Work that would hold up gevent's loop: long reckoning, and libraries that wait natively (sqlite3)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, ParamSpec, TypeVar

from gevent.monkey import is_module_patched
from gevent.threadpool import ThreadPool

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 4
"""Apart from gevent's own pool, which resolves names: a few long queries must not keep those waiting."""


class Threads:
    """So many native threads, begun when they are needed. Work in them holds up nothing in others' threads."""

    def __init__(self, number: int) -> None:
        self._number = number

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`work(*args, **kwargs)`, in a native thread while other greenlets go on; where there are none, right here.

        It has to limit its own time, since nobody can end it, and may not touch what gevent patched: no lock, no socket, no
        sleep. Raises what it does.
        """
        if not is_module_patched("threading"):
            return work(*args, **kwargs)
        begun: Any = self._pool.spawn(_caught, work, args, kwargs)
        try:
            fault, answer = begun.get()
        except BaseException:
            _wait(begun)
            raise
        if fault is not None:
            raise fault
        return answer  # type: ignore[no-any-return]

    @cached_property
    def _pool(self) -> ThreadPool:
        return ThreadPool(self._number)


def _wait(begun: Any) -> None:
    """Until it is done, however often whoever waits is told to leave: what it works on may be closed then, and SQLite would crash."""
    try:
        begun.wait()
    finally:
        if not begun.ready():
            _wait(begun)


def _caught(work: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Exception | None, Any]:
    """gevent writes errors that end a thread's work to the log, even those that are expected."""
    try:
        return None, work(*args, **kwargs)
    except Exception as fault:  # noqa: BLE001  it is raised where the work was asked for
        return fault, None


run = Threads(THREADS).run
